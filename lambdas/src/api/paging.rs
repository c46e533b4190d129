//! Pages of lists: their parameters, and the cursors that lead from one to the next.

use std::collections::BTreeMap;

use domain::datatype::DataType;
use domain::id::Name;
use domain::time::Timestamp;
use serde_json::{Value as Json, json};
use store::page::{Direction, Window};

use super::Call;
use super::request::bound;
use super::response::Response;
use crate::problem::Problem;

/// Entries of a page if the caller does not say.
const DEFAULT: usize = 50;
/// Items of a page at most.
pub(super) const MOST_ITEMS: usize = 500;
/// Entries at most of a page of something else than items.
const MOST_ENTRIES: usize = 100;
/// Bytes of a page at most: a function's answer may have 6 MB, so a page of large items is shorter than asked.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// What a list of items is asked with.
const ITEMS: &[&str] = &["from", "to", "limit", "order", "cursor"];
/// What a list of items of many types is asked with.
const ITEMS_OF_TYPES: &[&str] = &["from", "to", "limit", "order", "cursor", "types"];

/// A page that a caller asks for.
#[derive(Debug)]
pub(super) struct Paging {
    /// Of a list in the order of time, this stretch; of another list, only `limit` and `after` matter.
    pub window: Window,
    /// What the list depends on: a cursor leads on only in the very same list of the very same caller.
    scope: Vec<String>,
}

impl Paging {
    /// The page of items that the request asks for; `about` is what the list is of, beginning with its reader;
    /// `choosable`, whether the caller may say of which types.
    pub(super) fn of_items(call: &Call<'_>, about: &[&str], choosable: bool) -> Result<Self, Problem> {
        let parameters = call.request.parameters(if choosable { ITEMS_OF_TYPES } else { ITEMS })?;
        let (from, to) = (bound(&parameters, "from")?, bound(&parameters, "to")?);
        let direction = match parameters.get("order").map(String::as_str) {
            None | Some("desc") => Direction::Desc,
            Some("asc") => Direction::Asc,
            Some(_) => return Err(Problem::parameter("order", "it must be asc or desc")),
        };
        let written = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
        let ends = [written(from), written(to), format!("{direction:?}")];
        let scope = scope(call, about).chain(ends).collect();
        let window = Window { from, to, limit: limit(&parameters, MOST_ITEMS)?, direction, after: None };
        Self { window, scope }.opened(call, &parameters)
    }

    /// The page of something else that the request asks for.
    pub(super) fn of_entries(call: &Call<'_>, about: &[&str]) -> Result<Self, Problem> {
        let parameters = call.request.parameters(&["limit", "cursor"])?;
        let limit = limit(&parameters, MOST_ENTRIES)?;
        let window = Window { from: None, to: None, limit, direction: Direction::Asc, after: None };
        Self { window, scope: scope(call, about).collect() }.opened(call, &parameters)
    }

    /// The page of an export that the request asks for.
    pub(super) fn of_everything(call: &Call<'_>, about: &[&str]) -> Result<Self, Problem> {
        let parameters = call.request.parameters(&["limit", "cursor"])?;
        let limit = match parameters.contains_key("limit") {
            true => limit(&parameters, MOST_ITEMS)?,
            false => MOST_ITEMS,
        };
        let window = Window { from: None, to: None, limit, direction: Direction::Asc, after: None };
        Self { window, scope: scope(call, about).collect() }.opened(call, &parameters)
    }

    fn opened(mut self, call: &Call<'_>, parameters: &BTreeMap<String, String>) -> Result<Self, Problem> {
        if let Some(cursor) = parameters.get("cursor") {
            let opened = call.api.cursors.open(&self.parts(), cursor);
            self.window.after = Some(opened.map_err(|error| Problem::parameter("cursor", error))?);
        }
        Ok(self)
    }

    fn parts(&self) -> Vec<&str> {
        self.scope.iter().map(String::as_str).collect()
    }

    /// The answer with a page whose end the store told.
    pub(super) fn answer(&self, call: &Call<'_>, entries: Vec<Json>, next: Option<&str>) -> Response {
        let next = next.map(|position| call.api.cursors.seal(&self.parts(), position));
        Response::json(200, &json!({ "items": entries, "next": next }))
    }

    /// The answer with a page of items by their positions, cut where it becomes too large for an answer.
    pub(super) fn answer_sized(
        &self,
        call: &Call<'_>,
        mut items: Vec<(String, Json)>,
        next: Option<String>,
    ) -> Response {
        let next = fit(&mut items, |(position, item)| (position, item), next);
        self.answer(call, items.into_iter().map(|(_, item)| item).collect(), next.as_deref())
    }

    /// The answer with a page of a list that is short enough to be read as a whole, by its entries' positions.
    pub(super) fn answer_slice(&self, call: &Call<'_>, mut all: Vec<(String, Json)>) -> Response {
        all.sort_by(|a, b| a.0.cmp(&b.0));
        if let Some(after) = &self.window.after {
            all.retain(|(position, _)| position > after);
        }
        let more = all.len() > self.window.limit;
        all.truncate(self.window.limit);
        let next = if more { all.last().map(|(position, _)| position.clone()) } else { None };
        self.answer(call, all.into_iter().map(|(_, entry)| entry).collect(), next.as_deref())
    }
}

impl<'a> Call<'a> {
    /// The data types that the query asks for, and their names; all of them if it names none.
    pub(super) fn chosen_types(&self) -> Result<(Vec<&'a DataType>, String), Problem> {
        let known = &self.document().data_types;
        let parameters = self.request.parameters(ITEMS_OF_TYPES)?;
        let Some(names) = parameters.get("types") else {
            return Ok((known.values().collect(), String::new()));
        };
        let mut chosen = BTreeMap::new();
        for name in names.split(',') {
            let data_type = known.get(name.trim()).ok_or_else(|| {
                let known = known.keys().map(Name::as_str).collect::<Vec<_>>().join(", ");
                Problem::parameter(
                    "types",
                    format!("it must name data types, with commas between; there are {known}"),
                )
            })?;
            chosen.insert(&data_type.name, data_type);
        }
        let about = chosen.keys().map(|name| name.as_str()).collect::<Vec<_>>().join(",");
        Ok((chosen.into_values().collect(), about))
    }
}

/// Cuts a page where it becomes too large for an answer, and tells where the next one begins.
pub(super) fn fit<T>(
    items: &mut Vec<T>,
    read: impl Fn(&T) -> (&String, &Json),
    next: Option<String>,
) -> Option<String> {
    let mut bytes = 0;
    let fits = |item: &T| {
        bytes += read(item).1.to_string().len();
        bytes <= MOST_BYTES
    };
    // The first one always: a page without it would never get past it.
    let fitting = items.iter().map(fits).take_while(|fits| *fits).count().max(1);
    let cut = fitting < items.len();
    items.truncate(fitting);
    if cut { items.last().map(|item| read(item).0.clone()) } else { next }
}

fn scope(call: &Call<'_>, about: &[&str]) -> impl Iterator<Item = String> {
    let operation = format!("{:?}", call.route.operation);
    std::iter::once(operation).chain(about.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>())
}

fn limit(parameters: &BTreeMap<String, String>, most: usize) -> Result<usize, Problem> {
    let Some(text) = parameters.get("limit") else { return Ok(DEFAULT) };
    let number = text.parse().ok().filter(|number| (1..=most).contains(number));
    number.ok_or_else(|| Problem::parameter("limit", format!("it must be a whole number from 1 to {most}")))
}
