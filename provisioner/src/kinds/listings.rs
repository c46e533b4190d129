//! Lists that many resources are looked up in. AWS gives no single route by its key, and an API's thirty routes need
//! not be listed thirty times: API Gateway takes few calls a second.
//!
//! A list is kept until [`Listings::forget`], which is called before everything is read and before anything is changed.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_sdk_apigatewayv2::types::Route;
use tokio::sync::OnceCell;

use crate::aws::AwsError;

type Routes = Arc<OnceCell<Vec<Route>>>;

/// Lists that were read. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Listings(Arc<Mutex<BTreeMap<String, Routes>>>);

impl Listings {
    /// Forgets them.
    pub fn forget(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// The routes of an API, read by `list` unless they are known. Whoever comes while they are read waits for them.
    pub(super) async fn routes<F, Fut>(&self, api: &str, list: F) -> Result<Vec<Route>, AwsError>
    where
        F: FnOnce() -> Fut,
        Fut: Future<Output = Result<Vec<Route>, AwsError>>,
    {
        let cell = {
            let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry(api.to_owned()).or_default().clone()
        };
        cell.get_or_try_init(list).await.cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::ErrorKind;

    #[tokio::test]
    async fn a_list_is_read_once_until_it_is_forgotten_and_a_failure_is_not_kept() {
        let listings = Listings::default();
        let failed = listings.routes("a", || async { Err(AwsError::new(ErrorKind::Throttled, "no")) }).await;
        assert!(failed.is_err());
        let one = || Route::builder().route_key("GET /").build();
        assert_eq!(listings.routes("a", || async { Ok(vec![one()]) }).await.unwrap().len(), 1);
        assert_eq!(listings.routes("a", || async { Ok(Vec::new()) }).await.unwrap().len(), 1);
        listings.forget();
        assert_eq!(listings.routes("a", || async { Ok(Vec::new()) }).await.unwrap().len(), 0);
    }
}
