//! What plans are made about and carried out on: AWS, or a fake of it in tests.

use futures::FutureExt;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::aws::{AwsError, ErrorKind, Policy, retry};
use crate::error::Error;
use crate::kinds::{self, Context, Effect, Kind, Observed, Read, Recorded};
use crate::plan::Facts;
use crate::resource::Address;

/// Resources of all kinds, by address. See [`Kind`] for what each method promises.
pub trait World: Facts + Send + Sync {
    /// Finds out what is there.
    fn read<'a>(
        &'a self,
        address: &'a Address,
        desired: &'a Value,
        recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Read, Error>>;

    /// Makes it as desired.
    fn converge<'a>(
        &'a self,
        address: &'a Address,
        desired: &'a Value,
        recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Observed, Error>>;

    /// Deletes it.
    fn delete<'a>(&'a self, recorded: &'a Recorded) -> BoxFuture<'a, Result<(), Error>>;

    /// What must not overlap with others of the same key.
    fn serial_key(&self, address: &Address, attributes: &Value) -> Option<String>;

    /// Forgets what was read for many at once. Called before everything is read.
    fn refresh(&self) {}
}

/// The resources of one account and region, through their kinds.
pub struct AwsWorld {
    context: Context,
}

impl AwsWorld {
    /// The world of that account and region.
    pub fn new(context: Context) -> Self {
        Self { context }
    }

    fn kind(address: &Address) -> Result<&'static dyn Kind, Error> {
        kinds::find(&address.kind).ok_or_else(|| {
            let message = format!("this version of `provision` does not know the kind `{}`", address.kind);
            Error::at(address, AwsError::new(ErrorKind::Invalid, message))
        })
    }
}

impl Facts for AwsWorld {
    fn classify(&self, address: &Address, path: &str) -> Effect {
        Self::kind(address).map_or(Effect::Blocked, |kind| kind.classify(path))
    }
    fn write_only(&self, address: &Address) -> &'static [&'static str] {
        Self::kind(address).map_or(&[], |kind| kind.write_only())
    }
    fn holds_data(&self, address: &Address) -> bool {
        Self::kind(address).is_ok_and(|kind| kind.holds_data())
    }
    fn moves_outputs(&self, address: &Address, path: &str) -> &'static [&'static str] {
        Self::kind(address).map_or(&[], |kind| kind.moves_outputs(path))
    }
}

impl World for AwsWorld {
    fn read<'a>(
        &'a self,
        address: &'a Address,
        desired: &'a Value,
        recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Read, Error>> {
        async move {
            let kind = Self::kind(address)?;
            let what = format!("to read `{address}`");
            let read = || kind.read(&self.context, address, desired, recorded);
            retry(&what, Policy::default(), read).await.map_err(|error| Error::at(address, error))
        }
        .boxed()
    }

    fn converge<'a>(
        &'a self,
        address: &'a Address,
        desired: &'a Value,
        recorded: Option<&'a Recorded>,
    ) -> BoxFuture<'a, Result<Observed, Error>> {
        async move {
            let kind = Self::kind(address)?;
            self.context.listings.forget();
            kind.converge(&self.context, address, desired, recorded)
                .await
                .map_err(|error| Error::at(address, error))
        }
        .boxed()
    }

    fn delete<'a>(&'a self, recorded: &'a Recorded) -> BoxFuture<'a, Result<(), Error>> {
        async move {
            let kind = Self::kind(&recorded.address)?;
            self.context.listings.forget();
            kind.delete(&self.context, recorded).await.map_err(|error| Error::at(&recorded.address, error))
        }
        .boxed()
    }

    fn serial_key(&self, address: &Address, attributes: &Value) -> Option<String> {
        Self::kind(address).ok()?.serial_key(address, attributes)
    }

    fn refresh(&self) {
        self.context.listings.forget();
    }
}
