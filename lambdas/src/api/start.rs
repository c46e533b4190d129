//! What the API function does before its first request.

use std::time::Duration;

use store::clock;

use super::Api;
use super::keys::{HttpKeys, KeyRing};
use super::userinfo::HttpUserInfo;
use crate::queue::SqsJobs;
use crate::settings::ApiSettings;
use crate::startup::{Base, StartError, retried};

/// How long the start waits for the keys of the user pool.
const WARM: Duration = Duration::from_secs(1);

impl Api {
    /// Reads the environment, the stack's document and the cursors' key, and fetches the keys of the user pool. All of it
    /// runs at once, which also opens the connections that the first requests use.
    ///
    /// # Errors
    /// If the environment is not complete or the stack cannot be read.
    pub async fn start() -> Result<Self, StartError> {
        let base = Base::read("api")?;
        let settings = ApiSettings::read()?;
        let jobs = SqsJobs::new(&base.environment, base.settings.jobs_queue_url()?);
        let keys = KeyRing::new(Box::new(HttpKeys::new(&settings.keys_url)));
        // A pool that is slow to answer holds nobody up here: the first request asks it again.
        let warm = tokio::time::timeout(WARM, keys.warm(clock::now()));
        let (document, cursors, _) =
            futures::join!(base.document(), retried(|| base.store.cursor_key()), warm);
        let userinfo = HttpUserInfo::new(&settings.userinfo_url);
        let (jobs, userinfo) = (Box::new(jobs), Box::new(userinfo));
        Ok(Self::new(base.store, document?, cursors?, settings, jobs, userinfo, keys))
    }
}
