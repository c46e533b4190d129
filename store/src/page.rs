//! Pages: which stretch of time, from where on, how many, in which direction.

use std::collections::HashMap;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Select};
use domain::id::ItemId;
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::attr::{self, Row};
use crate::error::{Result, sdk};
use crate::keys::SK;

/// The order of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Latest first.
    #[default]
    Desc,
    /// Earliest first.
    Asc,
}

/// What a list asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// Items at or after this time.
    pub from: Option<Timestamp>,
    /// Items before this time.
    pub to: Option<Timestamp>,
    /// At most so many.
    pub limit: usize,
    /// In which order.
    pub direction: Direction,
    /// Behind this position: the sort text of the last item of the page before.
    pub after: Option<String>,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T> {
    /// What is on it.
    pub items: Vec<T>,
    /// Where the next page begins; none on the last one.
    pub next: Option<String>,
}

/// What is behind the rows that were read of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Rest {
    /// Nothing.
    Nothing,
    /// More: the list was read up to the window's limit.
    More,
    /// More: the list was read only up to this position, because it had become too large.
    Unread(String),
}

/// Answers of 1 MB of which a page is made at most, over all of the lists that it is merged from: a page has no room for
/// more, and rows in memory take a multiple of what they take in an answer.
const ANSWERS: usize = 4;

impl Window {
    /// The least and the greatest sort text (both inclusive) below a prefix; none if nothing can lie between.
    fn bounds(&self, prefix: &str) -> Option<(String, String)> {
        // Item ids are upper-case base 32: `0` is their least character and `~` sorts behind all of them.
        let mut low = self.from.map_or_else(|| "0".to_owned(), ItemId::lower_bound);
        // What begins with the bound's time lies at or after it, so the bound itself, which no item has, is the end.
        let mut high = self.to.map_or_else(|| "~".to_owned(), ItemId::lower_bound);
        if let Some(position) = &self.after {
            match self.direction {
                Direction::Asc => low = low.max(position.clone()),
                Direction::Desc => high = high.min(position.clone()),
            }
        }
        (low <= high).then(|| (format!("{prefix}{low}"), format!("{prefix}{high}")))
    }

    /// Reads the window's rows of one partition below a prefix, in order: at most `limit`, and no more answers of the
    /// database than its share, if the page is merged from so many lists. At least one row, if there is one.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn read(
        &self,
        query: QueryFluentBuilder,
        (pk, prefix): (&str, &str),
        lists: usize,
    ) -> Result<(Vec<Row>, Rest)> {
        let Some((low, high)) = self.bounds(prefix) else { return Ok((Vec::new(), Rest::Nothing)) };
        let share = (ANSWERS / lists.max(1)).max(1);
        let position = self.after.as_ref().map(|after| format!("{prefix}{after}"));
        // One more than asked, and one more again for the position itself, which the bounds include.
        let wanted = self.limit + 1 + usize::from(position.is_some());
        let mut rows: Vec<Row> = Vec::new();
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        let query = between(query, pk, &low, &high).scan_index_forward(self.direction == Direction::Asc);
        let mut answers = 0;
        loop {
            let answer = query
                .clone()
                .limit(i32::try_from(wanted - rows.len()).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(sdk)?;
            rows.extend(answer.items.unwrap_or_default());
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            answers += 1;
            // More than the position alone: a page that gets nowhere would be asked for again and again.
            let is_enough = answers >= share && rows.len() > usize::from(position.is_some());
            if start.is_none() || rows.len() >= wanted || is_enough {
                break;
            }
        }
        rows.retain(|row| position.as_deref() != attr::get_text(row, SK).ok());
        if rows.len() > self.limit {
            rows.truncate(self.limit);
            return Ok((rows, Rest::More));
        }
        let last = rows.last().and_then(|row| attr::get_text(row, SK).ok()?.strip_prefix(prefix));
        let rest = match (start, last) {
            (Some(_), Some(last)) => Rest::Unread(last.to_owned()),
            _ => Rest::Nothing,
        };
        Ok((rows, rest))
    }

    /// Like [`Window::read`], but of one answer of the database, which is 1 MB at most: so much memory is enough for it,
    /// whatever the size of the rows. With the rows, the position behind them, if there may be more.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn read_once(
        &self,
        query: QueryFluentBuilder,
        pk: &str,
        prefix: &str,
    ) -> Result<(Vec<Row>, Option<String>)> {
        let Some((low, high)) = self.bounds(prefix) else { return Ok((Vec::new(), None)) };
        let position = self.after.as_ref().map(|after| format!("{prefix}{after}"));
        let wanted = self.limit + 1 + usize::from(position.is_some());
        let answer = between(query, pk, &low, &high)
            .scan_index_forward(self.direction == Direction::Asc)
            .limit(i32::try_from(wanted).unwrap_or(i32::MAX))
            .send()
            .await
            .map_err(sdk)?;
        let mut rows = answer.items.unwrap_or_default();
        rows.retain(|row| position.as_deref() != attr::get_text(row, SK).ok());
        let last = answer.last_evaluated_key.filter(|key| !key.is_empty());
        let more = last.is_some() || rows.len() > self.limit;
        rows.truncate(self.limit);
        let behind = rows.last().or(last.as_ref()).and_then(|row| attr::get_text(row, SK).ok());
        let next = behind.and_then(|sort| sort.strip_prefix(prefix)).filter(|_| more).map(str::to_owned);
        Ok((rows, next))
    }

    /// How many rows the window has, whatever its limit, in one partition below a prefix; none if not all of them are
    /// found within so many answers.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn count(
        &self,
        query: QueryFluentBuilder,
        pk: &str,
        prefix: &str,
        answers: usize,
    ) -> Result<Option<u64>> {
        let Some((low, high)) = self.bounds(prefix) else { return Ok(Some(0)) };
        let mut count = 0;
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        for _ in 0..answers {
            let answer = between(query.clone(), pk, &low, &high)
                .select(Select::Count)
                .set_exclusive_start_key(start.take())
                .send()
                .await
                .map_err(sdk)?;
            count += u64::try_from(answer.count).unwrap_or_default();
            start = answer.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() {
                // The bounds are inclusive: what is at the position itself was on the page before.
                return Ok(Some(count.saturating_sub(u64::from(self.after.is_some()))));
            }
        }
        Ok(None)
    }
}

/// The rows of a partition between two sort keys, both inclusive.
fn between(query: QueryFluentBuilder, pk: &str, low: &str, high: &str) -> QueryFluentBuilder {
    query
        .key_condition_expression("pk = :pk AND sk BETWEEN :low AND :high")
        .expression_attribute_values(":pk", attr::text(pk))
        .expression_attribute_values(":low", attr::text(low))
        .expression_attribute_values(":high", attr::text(high))
}

/// Merges several ordered lists into one page: the first `limit` of all, by their sort texts.
pub(crate) fn merge<T>(lists: Vec<(Vec<(String, T)>, Rest)>, window: &Window) -> Page<T> {
    merge_preferring(lists, window, |_, _| false)
}

/// Merges lists that may have entries of the same sort text, of which only one shall be on the page: the one that was
/// found first, unless the other is preferred to it.
pub(crate) fn merge_preferring<T>(
    lists: Vec<(Vec<(String, T)>, Rest)>,
    window: &Window,
    preferred: impl Fn(&T, &T) -> bool,
) -> Page<T> {
    let mut more = lists.iter().any(|(_, rest)| *rest != Rest::Nothing);
    let unread = lists.iter().filter_map(|(_, rest)| match rest {
        Rest::Unread(position) => Some(position.clone()),
        Rest::Nothing | Rest::More => None,
    });
    // Behind the position up to which every list was read, something may be missing.
    let end = match window.direction {
        Direction::Asc => unread.min(),
        Direction::Desc => unread.max(),
    };
    let mut all: Vec<(String, T)> = lists.into_iter().flat_map(|(list, _)| list).collect();
    match window.direction {
        Direction::Asc => all.sort_by(|a, b| a.0.cmp(&b.0)),
        Direction::Desc => all.sort_by(|a, b| b.0.cmp(&a.0)),
    }
    if let Some(end) = &end {
        all.retain(|(sort, _)| match window.direction {
            Direction::Asc => sort <= end,
            Direction::Desc => sort >= end,
        });
    }
    // Before the page is cut: two of the same text must not end up on two pages.
    all.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same && preferred(&next.1, &kept.1) {
            std::mem::swap(next, kept);
        }
        same
    });
    let is_full = all.len() >= window.limit;
    more |= all.len() > window.limit;
    all.truncate(window.limit);
    let last = all.last().map(|(sort, _)| sort.clone());
    // A page that is not full has all there is up to that position, which may be none that can be read.
    let next = if is_full || end.is_none() { last } else { end }.filter(|_| more);
    Page { items: all.into_iter().map(|(_, item)| item).collect(), next }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::id::Name;

    fn window(from: Option<&str>, to: Option<&str>) -> Window {
        let time = |text: &str| Timestamp::parse(text).unwrap();
        Window { from: from.map(time), to: to.map(time), limit: 2, direction: Direction::Asc, after: None }
    }

    #[test]
    fn from_is_inclusive_and_to_is_exclusive() {
        let name = Name::parse("glucose").unwrap();
        let at =
            |text: &str, random| format!("p#{}", ItemId::new(Timestamp::parse(text).unwrap(), &name, random));
        let (low, high) =
            window(Some("2014-01-01T00:00:00Z"), Some("2014-01-02T00:00:00Z")).bounds("p#").unwrap();
        let inside = |sort: String| low <= sort && sort <= high;
        assert!(inside(at("2014-01-01T00:00:00Z", 0)) && inside(at("2014-01-01T23:59:59.999Z", u64::MAX)));
        assert!(!inside(at("2013-12-31T23:59:59.999Z", u64::MAX)) && !inside(at("2014-01-02T00:00:00Z", 0)));
        assert_eq!(window(Some("2014-01-02T00:00:00Z"), Some("2014-01-01T00:00:00Z")).bounds("p#"), None);
    }

    #[test]
    fn of_two_entries_of_the_same_place_the_preferred_one_is_on_the_page_and_the_other_on_none() {
        let list = |entries: &[(&str, u8)]| {
            let entries = entries.iter().map(|(sort, value)| ((*sort).to_owned(), *value));
            (entries.collect::<Vec<_>>(), Rest::Nothing)
        };
        let lists = || vec![list(&[("a", 1), ("b", 1), ("c", 9)]), list(&[("b", 2), ("c", 3)])];
        let page = merge_preferring(lists(), &window(None, None), |next, kept| next > kept);
        assert_eq!((page.items, page.next.as_deref()), (vec![1, 2], Some("b")));
        let all = Window { limit: 9, ..window(None, None) };
        assert_eq!(merge_preferring(lists(), &all, |next, kept| next > kept).items, [1, 2, 9]);
    }

    #[test]
    fn merged_pages_lose_and_repeat_nothing() {
        let lists = |after: Option<&str>| {
            let part = |texts: &[&str]| {
                let mut left: Vec<(String, String)> = texts
                    .iter()
                    .filter(|t| after.is_none_or(|a| **t > a))
                    .map(|t| ((*t).to_owned(), (*t).to_owned()))
                    .collect();
                let rest = if left.len() > 2 { Rest::More } else { Rest::Nothing };
                left.truncate(2);
                (left, rest)
            };
            vec![part(&["a", "d", "e"]), part(&["b", "c"]), part(&[])]
        };
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = merge(lists(after.as_deref()), &window(None, None));
            seen.extend(page.items);
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn pages_of_lists_that_were_read_in_part_lose_and_repeat_nothing() {
        for direction in [Direction::Asc, Direction::Desc] {
            // The first list is read one entry at a time, the second two, and the last entries of the first are none
            // that can be read.
            let read = |after: Option<&str>, texts: &[&str], at_most: usize| {
                let ahead = |t: &&&str| match direction {
                    Direction::Asc => after.is_none_or(|a| **t > a),
                    Direction::Desc => after.is_none_or(|a| **t < a),
                };
                let mut left: Vec<&str> = texts.iter().filter(ahead).copied().collect();
                if direction == Direction::Desc {
                    left.reverse();
                }
                let all = left.len() <= at_most;
                left.truncate(at_most);
                let rest = match left.last() {
                    Some(last) if !all => Rest::Unread((*last).to_owned()),
                    _ => Rest::Nothing,
                };
                let readable = left.iter().filter(|text| !text.ends_with('x'));
                (readable.map(|t| ((*t).to_owned(), (*t).to_owned())).collect::<Vec<_>>(), rest)
            };
            let (mut seen, mut after, mut pages) = (Vec::new(), None::<String>, 0);
            loop {
                let at = after.as_deref();
                let lists = vec![read(at, &["a", "d", "ex", "fx"], 1), read(at, &["b", "c", "g"], 2)];
                let page = merge(lists, &Window { limit: 9, direction, ..window(None, None) });
                seen.extend(page.items);
                pages += 1;
                after = page.next;
                if after.is_none() {
                    break;
                }
                assert!(pages < 20, "it gets nowhere");
            }
            seen.sort();
            assert_eq!(seen, ["a", "b", "c", "d", "g"]);
        }
    }
}
