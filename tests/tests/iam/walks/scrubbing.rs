//! The scrubber's walk: everything it repairs, put wrong by hand, and put right.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_lambda::primitives::Blob;
use journeys::{Row, text, until};
use serde_json::{Value, json};

use super::{Walk, Why, step, text_value};

/// Readings that are shared; the last three are changed once.
const SHARED: usize = 8;
const CHANGED: usize = 3;

impl Walk<'_> {
    /// A group whose copies are all as they should be, and its rows.
    async fn sound(&mut self) -> Result<BTreeMap<String, Row>, Why> {
        if self.provider.items_of("glucose").all().await.map_err(|error| error.to_string())?.len() < SHARED {
            for at in 0..SHARED {
                let id = self.reading(300).await?;
                if at >= SHARED - CHANGED {
                    let fields = json!({"fields": {"mgdl": 301}});
                    step(&self.provider, "PATCH", &format!("/user/data/{id}"), fields).await?;
                }
            }
        }
        let (provider, group) = (self.provider.user.drive.clone(), self.group.clone());
        let world = self.world;
        let ours = |row: &Row| {
            text(row, "pk").starts_with(&format!("{}#", group.id)) && text(row, "sk").ends_with(&provider)
        };
        let whole = async || {
            let rows: Vec<Row> = world.rows("replicas").await.into_iter().filter(ours).collect();
            let alive: Vec<Row> = rows.into_iter().filter(|row| row.contains_key("body")).collect();
            let changed = alive.iter().filter(|row| version(row) == 2).count();
            (alive.len() == SHARED && changed == CHANGED).then_some(alive)
        };
        let rows = until("everything is copied", whole).await;
        Ok(rows.into_iter().map(|row| (text(&row, "sk"), row)).collect())
    }

    /// Puts something wrong of each kind, and has the scrubber put it right.
    pub(super) async fn scrubber(&mut self) -> Result<(), Why> {
        let good = match self.good.clone() {
            Some(good) => good,
            None => self.sound().await?,
        };
        self.good = Some(good.clone());
        for row in good.values() {
            self.put("replicas", row.clone()).await;
        }
        let (first, changed): (Vec<&Row>, Vec<&Row>) = good.values().partition(|row| version(row) == 1);
        for row in first.iter().take(3) {
            self.remove("replicas", row).await;
        }
        for row in changed.iter().take(2) {
            let order = text(row, "ord");
            let lower = format!("{}{:012x}{}", &order[..16], 1, &order[28..]);
            self.put("replicas", with(row, "ord", text_value(&lower))).await;
        }
        let body = AttributeValue::M([("mgdl".to_owned(), AttributeValue::N("999".into()))].into());
        self.put("replicas", with(first[3], "body", body)).await;
        let foreign =
            format!("{}#01ARZ3NDEKTSV4RRFFQ69G5FAV", text(first[4], "sk").split('#').next().unwrap());
        self.put("replicas", with(first[4], "sk", text_value(&foreign))).await;
        self.park(changed[2]).await;
        self.silent_job().await;

        let report = self.scrub().await?;
        let found = &report["found"];
        let expected = json!({"missing": 3, "outdated": 2, "altered": 1, "orphans": 1});
        for (name, count) in expected.as_object().unwrap() {
            if found[name] != *count {
                return Err(format!("{name} is {} in {report}", found[name]));
            }
        }
        let repaired = report["repairs"]["repaired"].as_u64().unwrap_or_default();
        match (repaired, report["announced"].as_u64()) {
            (1.., Some(1..)) => Ok(()),
            _ => Err(format!("repairs and jobs: {report}")),
        }
    }

    async fn scrub(&self) -> Result<Value, Why> {
        let function = format!("{}-scrubber", self.world.name);
        let payload = Blob::new(json!({"full": true, "fresh": true}).to_string());
        let call = self.world.clients.lambda().invoke().function_name(function).payload(payload);
        let answer = call.send().await.map_err(|error| format!("{error:?}"))?;
        let payload = answer.payload.map(Blob::into_inner).unwrap_or_default();
        if answer.function_error.is_some() {
            return Err(String::from_utf8_lossy(&payload).into_owned());
        }
        serde_json::from_slice(&payload).map_err(|error| error.to_string())
    }

    /// A record that could not be read, of an item that can be now.
    async fn park(&self, copy: &Row) {
        let id = text(copy, "sk").split('#').next().unwrap().to_owned();
        let (drive, sort) = (&self.provider.user.drive, format!("glucose#{id}"));
        let row = [
            ("pk", "REPAIR".to_owned()),
            ("sk", format!("ITEM#{drive}#{sort}")),
            ("drive", drive.clone()),
            ("item", sort),
            ("reason", "put by hand".to_owned()),
            ("since", "2024-01-01T00:00:00Z".to_owned()),
        ];
        self.put("directory", row.map(|(name, value)| (name.to_owned(), text_value(&value))).into()).await;
    }

    /// A job that nobody was told of; in another group, since this one is left alone while it has one.
    async fn silent_job(&self) {
        let group = self.owner.make_group("silent").await.id;
        let id = format!("01ARZ3NDEKTSV4RRFFQ69G{:04}", self.round);
        let row = [
            ("pk", format!("GROUP#{group}")),
            ("sk", format!("JOB#{id}")),
            ("job", id),
            ("group", group),
            ("what", json!({"kind": "spread", "rules_from": 1, "revision": 1}).to_string()),
            ("status", "open".to_owned()),
            ("created", "2024-01-01T00:00:00Z".to_owned()),
        ];
        let mut row: Row = row.map(|(name, value)| (name.to_owned(), text_value(&value))).into();
        row.insert("done".to_owned(), AttributeValue::N("0".into()));
        self.put("directory", row).await;
    }

    pub(super) async fn put(&self, table: &str, row: Row) {
        let put = self.world.clients.dynamodb().put_item().table_name(format!("{}-{table}", self.world.name));
        put.set_item(Some(row)).send().await.unwrap();
    }

    async fn remove(&self, table: &str, row: &Row) {
        let delete =
            self.world.clients.dynamodb().delete_item().table_name(format!("{}-{table}", self.world.name));
        delete.key("pk", row["pk"].clone()).key("sk", row["sk"].clone()).send().await.unwrap();
    }
}

fn version(row: &Row) -> u64 {
    u64::from_str_radix(&text(row, "ord")[16..28], 16).unwrap()
}

pub(super) fn with(row: &Row, name: &str, value: AttributeValue) -> Row {
    let mut row = row.clone();
    row.insert(name.to_owned(), value);
    row
}
