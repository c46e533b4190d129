//! Lists, page by page.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;

use reqwest::{Method, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Client;
use crate::error::Error;
use crate::request::Request;
use crate::types::{Item, SharedItem};

/// A list of which pages are asked for as they are needed.
///
/// [`List::next`] gives entry after entry, [`List::page`] page after page, [`List::all`] the rest at once. After an error
/// the same call goes on where it was.
#[must_use = "nothing is asked for yet"]
pub struct List<T> {
    client: Client,
    url: Result<Url, String>,
    limit: Option<usize>,
    cursor: Option<String>,
    is_over: bool,
    ahead: VecDeque<T>,
    of: PhantomData<T>,
}

/// A page as it is sent.
#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    #[serde(default = "Option::default")]
    next: Option<String>,
}

/// What lists order by its time.
pub trait Timed: sealed::Sealed {}

impl Timed for Item {}
impl Timed for SharedItem {}

mod sealed {
    pub trait Sealed {}
    impl Sealed for crate::types::Item {}
    impl Sealed for crate::types::SharedItem {}
}

impl<T> fmt::Debug for List<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("List").field("is_over", &self.is_over).finish_non_exhaustive()
    }
}

impl<T> List<T> {
    pub(crate) fn new(client: Client, url: Result<Url, String>) -> Self {
        Self {
            client,
            url,
            limit: None,
            cursor: None,
            is_over: false,
            ahead: VecDeque::new(),
            of: PhantomData,
        }
    }

    fn query(mut self, name: &str, value: &str) -> Self {
        if let Ok(url) = &mut self.url {
            url.query_pairs_mut().append_pair(name, value);
        }
        self
    }

    /// With pages of so many entries at most.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = Some(limit);
        self
    }

    /// From a cursor that [`List::cursor`] gave, for the very same list.
    pub fn after(mut self, cursor: impl Into<String>) -> Self {
        self.cursor = Some(cursor.into());
        self
    }

    /// The cursor of the next page, to go on another time. None before the first page and after the last one.
    pub fn cursor(&self) -> Option<&str> {
        self.cursor.as_deref()
    }
}

impl<T: Timed> List<T> {
    /// Only items of this time or later.
    pub fn from(self, time: &str) -> Self {
        self.query("from", time)
    }

    /// Only items before this time.
    pub fn to(self, time: &str) -> Self {
        self.query("to", time)
    }

    /// The oldest first, instead of the latest.
    pub fn oldest_first(self) -> Self {
        self.query("order", "asc")
    }

    /// Only items of these data types. Not for lists that are of one type already.
    pub fn types(self, types: &[&str]) -> Self {
        self.query("types", &types.join(","))
    }
}

impl<T: DeserializeOwned> List<T> {
    async fn fetch(&mut self) -> Result<Vec<T>, Error> {
        let mut request = Request::new(&self.client, Method::GET, self.url.clone());
        if let Some(limit) = self.limit {
            request = request.query("limit", &limit.to_string());
        }
        if let Some(cursor) = &self.cursor {
            request = request.query("cursor", cursor);
        }
        let Page { items, next } = request.read().await?;
        self.is_over = next.is_none();
        self.cursor = next;
        Ok(items)
    }

    /// The next page; none after the last. A page may be short or empty, and still be followed by others.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn page(&mut self) -> Result<Option<Vec<T>>, Error> {
        if !self.ahead.is_empty() {
            return Ok(Some(self.ahead.drain(..).collect()));
        }
        if self.is_over {
            return Ok(None);
        }
        self.fetch().await.map(Some)
    }

    /// The next entry; none after the last.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn next(&mut self) -> Result<Option<T>, Error> {
        while self.ahead.is_empty() && !self.is_over {
            self.ahead = self.fetch().await?.into();
        }
        Ok(self.ahead.pop_front())
    }

    /// All that is left.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn all(mut self) -> Result<Vec<T>, Error> {
        let mut all = Vec::new();
        while let Some(page) = self.page().await? {
            all.extend(page);
        }
        Ok(all)
    }
}
