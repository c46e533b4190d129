//! `/openapi.json`: what this API is, for programs.

use super::response::Response;
use super::{Answer, Call};

impl Call<'_> {
    /// The description of the API, with the data types of this stack.
    pub(super) async fn show_open_api(&self) -> Answer {
        self.request.parameters(&[])?;
        self.anybody().await?;
        Ok(Response::json(200, &domain::openapi::document(&self.document().data_types)))
    }
}
