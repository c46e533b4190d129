//! Most kinds work on a typed document. They implement [`Typed`], and this file makes a [`Kind`] of it.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use super::{Context, Effect, Kind, Observed, Read, Recorded};
use crate::aws::{AwsError, ErrorKind, Policy, retry, wait_until};
use crate::resource::{Address, Outputs};

/// How long a resource that was just made may take until it is seen.
const VISIBLE: Duration = Duration::from_secs(60);

/// The resource that a kind works on.
#[derive(Debug, Clone, Copy)]
pub(super) struct At<'a> {
    /// Clients and stack.
    pub(super) ctx: &'a Context,
    /// Where it stands.
    pub(super) address: &'a Address,
    /// What is wanted; some of it may be unknown.
    pub(super) desired: &'a Value,
    /// What the state remembers.
    pub(super) recorded: Option<&'a Recorded>,
}

impl<'a> At<'a> {
    /// A text attribute: as wanted if that is known, else as last applied.
    pub(super) fn text(&self, key: &str) -> Option<&'a str> {
        let wanted = self.desired.get(key).and_then(Value::as_str);
        wanted.or_else(|| self.recorded?.attributes.get(key)?.as_str())
    }

    /// Whether nothing was there when this run, which holds the lock, read it: then nobody need look again.
    pub(super) fn is_new(&self) -> bool {
        self.recorded.is_none()
    }

    /// The id under which AWS knows it, if the state remembers one.
    pub(super) fn id(&self) -> Option<&'a str> {
        self.recorded.map(|recorded| recorded.physical_id.as_str())
    }

    /// Whether a resource with these tags is this stack's.
    pub(super) fn owns<K: Typed>(&self, tags: &Tags) -> bool {
        self.foreign::<K>("it", tags).is_none()
    }

    /// Why a resource with these tags is not this stack's; `None` if it is.
    ///
    /// The only place that decides ownership. A resource belongs to a stack in a region; the account is the one that the
    /// credentials open, so every resource that can be found here is in it.
    pub(super) fn foreign<K: Typed>(&self, what: &str, tags: &Tags) -> Option<String> {
        let region = self.ctx.clients.region();
        match (tags.get(STACK_TAG), tags.get(REGION_TAG)) {
            (stack, Some(other)) if other != region => {
                let stack = stack.map_or("another stack", String::as_str);
                Some(format!("{what} belongs to stack `{stack}` in region `{other}`"))
            }
            (Some(stack), _) if *stack != self.ctx.stack => {
                Some(format!("{what} belongs to stack `{stack}`"))
            }
            (None, _) if !self.ctx.adopting && !K::UNTAGGED_IS_OURS => {
                Some(format!("{what} exists and does not carry the tag `{STACK_TAG}`"))
            }
            // A stack of this name in another region finds it too. Only the state can say whose it is.
            (Some(_), None) if K::GLOBAL && self.recorded.is_none() && !self.ctx.adopting => {
                Some(format!("{what} does not carry the tag `{REGION_TAG}` and is not in this stack's state"))
            }
            _ => None,
        }
    }
}

/// A resource of this stack as it was found.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found<A> {
    /// The name or id that AWS knows it by.
    pub(super) id: String,
    /// Its attributes, normalised.
    pub(super) attributes: A,
    /// Its outputs.
    pub(super) outputs: Outputs,
}

/// What is there.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Seen<A> {
    /// Nothing.
    Missing,
    /// Ours.
    Owned(Found<A>),
    /// Somebody else's, and whose.
    Foreign(String),
}

impl<A> Seen<A> {
    /// Ours or nothing; somebody else's is an error.
    pub(super) fn ours(self) -> Result<Option<Found<A>>, AwsError> {
        match self {
            Self::Missing => Ok(None),
            Self::Owned(found) => Ok(Some(found)),
            Self::Foreign(what) => Err(AwsError::new(ErrorKind::AlreadyExists, what)),
        }
    }
}

/// A kind whose attributes are a typed document, the same wanted and found. [`Kind`] says what each method guarantees.
pub(super) trait Typed: Send + Sync {
    /// [`Kind::name`].
    const NAME: &'static str;
    /// The resolved attributes.
    type Attributes: Serialize + DeserializeOwned + Send;
    /// Whether AWS has it once for all regions of an account. Its name must then contain the region.
    const GLOBAL: bool = false;
    /// Whether it is this stack's although nobody has tagged it, because AWS itself may have created it.
    const UNTAGGED_IS_OURS: bool = false;

    /// Finds out what is there.
    fn find(at: At<'_>) -> impl Future<Output = Result<Seen<Self::Attributes>, AwsError>> + Send;
    /// Makes it so. What it returns is what is there afterwards.
    fn make(
        at: At<'_>,
        desired: Self::Attributes,
    ) -> impl Future<Output = Result<Found<Self::Attributes>, AwsError>> + Send;
    /// Deletes it and waits until it is gone.
    fn remove(ctx: &Context, recorded: &Recorded) -> impl Future<Output = Result<(), AwsError>> + Send;

    /// [`Kind::classify`].
    fn effect(path: &str) -> Effect;
    /// [`Kind::write_only`].
    fn write_only() -> &'static [&'static str] {
        &[]
    }
    /// [`Kind::serial_key`].
    fn key(_address: &Address) -> Option<String> {
        None
    }
    /// [`Kind::holds_data`].
    fn holds_data() -> bool {
        false
    }
    /// [`Kind::moves_outputs`].
    fn moves_outputs(_path: &str) -> &'static [&'static str] {
        &[]
    }
}

impl<T: Typed> Kind for T {
    fn name(&self) -> &'static str {
        T::NAME
    }
    fn read<'a>(
        &'a self,
        ctx: &'a Context,
        address: &'a Address,
        desired: &'a Value,
        recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Read, AwsError>> {
        async move {
            Ok(match T::find(At { ctx, address, desired, recorded }).await? {
                Seen::Missing => Read::Missing,
                Seen::Foreign(what) => Read::Foreign(what),
                Seen::Owned(found) => Read::Owned(observed(found)?),
            })
        }
        .boxed()
    }
    fn classify(&self, path: &str) -> Effect {
        T::effect(path)
    }
    fn write_only(&self) -> &'static [&'static str] {
        T::write_only()
    }
    fn converge<'a>(
        &'a self,
        ctx: &'a Context,
        address: &'a Address,
        desired: &'a Value,
        recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Observed, AwsError>> {
        async move {
            let attributes = T::Attributes::deserialize(desired).map_err(|e| {
                AwsError::new(
                    ErrorKind::Invalid,
                    format!("the attributes of `{address}` cannot be read: {e}"),
                )
            })?;
            observed(T::make(At { ctx, address, desired, recorded }, attributes).await?)
        }
        .boxed()
    }
    fn delete<'a>(&'a self, ctx: &'a Context, recorded: &'a Recorded) -> BoxFuture<'a, Result<(), AwsError>> {
        T::remove(ctx, recorded).boxed()
    }
    fn serial_key(&self, address: &Address, _attributes: &Value) -> Option<String> {
        T::key(address)
    }
    fn holds_data(&self) -> bool {
        T::holds_data()
    }
    fn is_global(&self) -> bool {
        T::GLOBAL
    }
    fn moves_outputs(&self, path: &str) -> &'static [&'static str] {
        T::moves_outputs(path)
    }
}

fn observed<A: Serialize>(found: Found<A>) -> Result<Observed, AwsError> {
    let attributes = serde_json::to_value(found.attributes).map_err(|e| {
        AwsError::new(ErrorKind::Other, format!("what was found cannot be written down: {e}"))
    })?;
    Ok(Observed { physical_id: found.id, attributes, outputs: found.outputs })
}

/// Looks until the resource is there: AWS may list what it just made only a moment later, and its tags later still.
/// Until these are, it looks like somebody else's.
pub(super) async fn seen<T: Typed>(at: At<'_>) -> Result<Found<T::Attributes>, AwsError> {
    let foreign = Mutex::new(None);
    let note = |what| *foreign.lock().unwrap_or_else(PoisonError::into_inner) = what;
    let what = format!("`{}` to be there", at.address);
    let found = wait_until(&what, VISIBLE, || async {
        at.ctx.listings.forget();
        match T::find(at).await? {
            Seen::Owned(found) => Ok(Some(found)),
            Seen::Missing => Ok(None),
            Seen::Foreign(what) => {
                note(Some(what));
                Ok(None)
            }
        }
    });
    let found = found.await;
    match foreign.into_inner().unwrap_or_else(PoisonError::into_inner) {
        Some(what) if found.is_err() => Err(AwsError::new(ErrorKind::AlreadyExists, what)),
        _ => found,
    }
}

/// Makes something whose name AWS does not keep unique. A call without an answer may have had its effect, so it is not
/// sent again before it was looked whether it had; `create` must therefore not be repeated by the SDK either. Nothing
/// is returned if the thing came without an answer.
pub(super) async fn create_once<T, V, F, Fut>(
    at: At<'_>,
    what: &str,
    create: F,
) -> Result<Option<V>, AwsError>
where
    T: Typed,
    F: Fn() -> Fut,
    Fut: Future<Output = Result<V, AwsError>>,
{
    retry(what, Policy::default(), || async {
        match create().await {
            Err(error) if error.kind.is_open() => {
                for pause in [Duration::ZERO, Duration::from_millis(500), Duration::from_secs(2)] {
                    tokio::time::sleep(pause).await;
                    at.ctx.listings.forget();
                    if T::find(at).await?.ours()?.is_some() {
                        return Ok(None);
                    }
                }
                Err(AwsError { kind: ErrorKind::Conflict, ..error })
            }
            result => result.map(Some),
        }
    })
    .await
}

/// Takes "it is not there" as an answer.
pub(super) fn optional<V>(result: Result<V, AwsError>) -> Result<Option<V>, AwsError> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

/// Takes "it is not there" as success, for deletes.
pub(super) fn gone<V>(result: Result<V, AwsError>) -> Result<(), AwsError> {
    optional(result).map(|_| ())
}

/// An answer that lacks what AWS always gives.
pub(super) fn lacking(what: &str) -> AwsError {
    AwsError::new(ErrorKind::Other, format!("AWS's answer lacks {what}"))
}

/// Outputs from pairs.
pub(super) fn outputs<const N: usize>(pairs: [(&str, &str); N]) -> Outputs {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Tags.
pub(super) type Tags = BTreeMap<String, String>;

/// The tag with the name of the stack that a resource belongs to.
pub const STACK_TAG: &str = "freehold:stack";
/// The tag with the region of the stack that a resource belongs to.
pub const REGION_TAG: &str = "freehold:region";

/// Tags as AWS gave them, without those that AWS itself made.
pub(super) fn tags(pairs: impl IntoIterator<Item = (String, String)>) -> Tags {
    pairs.into_iter().filter(|(key, _)| !key.starts_with("aws:")).collect()
}

/// Tag keys that are there and not wanted.
pub(super) fn surplus(have: &Tags, want: &Tags) -> Vec<String> {
    have.keys().filter(|key| !want.contains_key(*key)).cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_of_aws_itself_are_not_ours_to_compare() {
        let have = tags([
            ("aws:cloudformation:x".into(), "1".into()),
            ("a".into(), "1".into()),
            ("b".into(), "2".into()),
        ]);
        let want = Tags::from([("a".into(), "1".into())]);
        assert_eq!(surplus(&have, &want), ["b"]);
    }
}
