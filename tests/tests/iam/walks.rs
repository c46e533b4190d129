//! Walks through everything that a function does. A walk says what failed instead of failing.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use aws_sdk_dynamodb::types::AttributeValue;
use domain::id::GroupId;
use domain::rules::compare::{Judged, Known, Verdict};
use freehold_client::Group;
use glucose_study::people::Person as Account;
use journeys::{Person, Raw as _, Row, World, until};
use reqwest::Method;
use serde_json::{Value, json};
use store::clock::now;
use store::{Store, Tables};

mod identity;
mod scrubbing;

/// What IAM says when it refuses, before the action.
const REFUSED: &str = "not authorized to perform: ";
/// How often the logs are looked at for a refusal.
const LOOK: Duration = Duration::from_millis(250);
/// What a function gets to do its part in another way.
const DETOUR: Duration = Duration::from_millis(750);

/// What a walk found wrong.
type Why = String;

/// People in a group, and how far the time of their readings is.
pub struct Walk<'w> {
    world: &'w World,
    function: String,
    owner: Person,
    provider: Person,
    reader: Person,
    group: Group,
    round: usize,
    /// When the round began, in milliseconds since 1970.
    began: i64,
    minute: usize,
    /// The copies as they should be, for the scrubber.
    good: Option<BTreeMap<String, Row>>,
}

/// Gets people ready.
pub async fn begin<'w>(world: &'w World, function: &str) -> Walk<'w> {
    let (owner, provider, reader) =
        (world.person("owner").await, world.person("provider").await, world.person("reader").await);
    let group = owner.make_group("walk").await;
    provider.join(&owner, &group, "provider").await;
    reader.join(&owner, &group, "consumer").await;
    Walk {
        world,
        function: function.to_owned(),
        owner,
        provider,
        reader,
        group,
        round: 0,
        began: 0,
        minute: 0,
        good: None,
    }
}

impl Walk<'_> {
    /// Walks once. A function that does not do its part in time has failed.
    pub async fn once(&mut self, patience: Duration) -> Result<(), Why> {
        self.round += 1;
        self.began = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(0));
        let function = self.function.clone();
        let refused = refused(self.world, &function, self.began);
        let walk = async {
            match self.function.as_str() {
                "api" => self.api().await,
                "replicator" => self.replicator().await,
                "scrubber" => self.scrubber().await,
                "identity" => self.identity().await,
                _ => self.worker().await,
            }
        };
        tokio::select! {
            result = walk => result,
            why = refused => Err(why),
            () = tokio::time::sleep(patience) => Err("it was not done in time".to_owned()),
        }
    }

    /// Waits until the function has worked off what was refused while it lacked something.
    pub async fn recover(&mut self) {
        if ["scrubber", "identity"].contains(&self.function.as_str()) {
            return;
        }
        if self.function == "worker" {
            self.set_timeout(300).await;
        }
        // What failed comes again only after a long while; a new group has nothing open.
        self.new_group().await;
        for item in self.provider.items_of("glucose").all().await.unwrap() {
            self.provider.delete(&format!("/user/data/{}", item.id)).await;
        }
        let item = self.reading(900).await.unwrap();
        let reader = self.reader.clone();
        let group = self.group.clone();
        let shown = async || reader.sees(&group).await.last().is_some_and(|last| *last == 900).then_some(());
        until("what is written is replicated again", shown).await;
        self.provider.delete(&format!("/user/data/{item}")).await;
    }

    fn time(&mut self) -> String {
        self.minute += 1;
        let minute = self.minute;
        format!(
            "2024-{:02}-{:02}T{:02}:{:02}:00Z",
            1 + minute / 28 / 1440,
            1 + minute / 1440 % 28,
            minute / 60 % 24,
            minute % 60
        )
    }

    async fn reading(&mut self, mgdl: i64) -> Result<String, Why> {
        let fields = json!({"takenAt": self.time(), "mgdl": mgdl});
        let item =
            step(&self.provider, "POST", "/user/data", json!({"type": "glucose", "fields": fields})).await?;
        Ok(text(&item, "id"))
    }

    /// Waits until the reader sees as many readings of a value. The walk's patience ends it.
    async fn shows(&self, mgdl: i64, times: usize) {
        loop {
            let seen = self.reader.group_items_of(&self.group.id, "glucose").all().await.unwrap_or_default();
            if seen.iter().filter(|item| item.fields["mgdl"] == mgdl).count() == times {
                return;
            }
            tokio::time::sleep(Duration::from_millis(80)).await;
        }
    }

    /// Creation and change pass through the stream, one at a time and many at once, into a group that is new; and a
    /// record that cannot be read is parked.
    async fn replicator(&mut self) -> Result<(), Why> {
        self.new_group().await;
        self.reading(500).await?;
        self.shows(500, 1).await;
        // A change that shows more is for the stream alone.
        let low = self.reading(100).await?;
        step(&self.provider, "PATCH", &format!("/user/data/{low}"), json!({"fields": {"mgdl": 510}})).await?;
        self.shows(510, 1).await;
        let mut items = Vec::new();
        for _ in 0..30 {
            items.push(json!({"type": "glucose", "fields": {"takenAt": self.time(), "mgdl": 520}}));
        }
        let made = step(&self.provider, "POST", "/user/data/batch", json!({"items": items})).await?;
        self.shows(520, 30).await;
        let ids: Vec<String> =
            made["results"].as_array().into_iter().flatten().map(|made| text(made, "id")).collect();
        let provider = &self.provider;
        let changes = ids.iter().map(|id| async move {
            step(provider, "PATCH", &format!("/user/data/{id}"), json!({"fields": {"mgdl": 530}})).await
        });
        futures::future::try_join_all(changes).await?;
        self.shows(530, 30).await;
        let sort = format!("glucose#{}", self.round);
        self.put_poison(&sort).await;
        self.comes_to(|| self.parked(&sort), |parked| parked == 1).await;
        self.lone_copy(true).await
    }

    /// A copy that is written all alone: of somebody who shares one item into one group. It comes by the stream if they
    /// have joined before they write it, and by a job if after.
    async fn lone_copy(&mut self, joins_first: bool) -> Result<(), Why> {
        let lone = self.world.person(&format!("lone-{}-{}@example.org", self.function, self.round)).await;
        let group = self.owner.make_group("lone").await;
        if joins_first {
            lone.join(&self.owner, &group, "provider").await;
            self.comes_to(|| self.open_jobs(&group), |open| open == 0).await;
        }
        let fields = json!({"takenAt": self.time(), "mgdl": 640});
        step(&lone, "POST", "/user/data", json!({"type": "glucose", "fields": fields})).await?;
        if !joins_first {
            lone.join(&self.owner, &group, "provider").await;
        }
        self.comes_to(|| self.copies(&group), |copies| copies == 1).await;
        Ok(())
    }

    /// A group of its own for this round, so that the function remembers nothing of it.
    async fn new_group(&mut self) {
        self.group = self.owner.make_group("walk").await;
        self.reader.join(&self.owner, &self.group, "consumer").await;
        self.provider.join(&self.owner, &self.group, "provider").await;
    }

    /// A row that no version of Freehold wrote.
    async fn put_poison(&self, sort: &str) {
        let put = self.world.clients.dynamodb().put_item().table_name(format!("{}-data", self.world.name));
        let put = put.item("pk", text_value(&self.provider.user.drive)).item("sk", text_value(sort));
        put.send().await.unwrap();
    }

    async fn parked(&self, sort: &str) -> usize {
        self.count("directory", "REPAIR", "ITEM#", |row| row["sk"].as_s().is_ok_and(|sk| sk.ends_with(sort)))
            .await
    }

    /// Jobs: a backfill of what is new and what was changed, a narrowing, a purge, a dissolution; and one that is handed
    /// over.
    async fn worker(&mut self) -> Result<(), Why> {
        for mgdl in [600, 610, 620] {
            let id = self.reading(mgdl).await?;
            step(&self.provider, "PATCH", &format!("/user/data/{id}"), json!({"fields": {"mgdl": mgdl + 1}}))
                .await?;
            self.reading(mgdl).await?;
        }
        let group = self.owner.make_group("jobs").await;
        let leave = format!("/groups/{}/leave", group.id);
        self.reader.join(&self.owner, &group, "consumer").await;
        self.provider.join(&self.owner, &group, "provider").await;
        self.comes_to(|| self.copies(&group), |copies| copies == 6).await;
        self.narrow(&group).await;
        self.comes_to(|| self.open_jobs(&group), |open| open == 0).await;
        step(&self.provider, "POST", &leave, json!({})).await?;
        self.comes_to(|| self.copies(&group), |copies| copies == 0).await;
        self.provider.join(&self.owner, &group, "provider").await;
        self.comes_to(|| self.copies(&group), |copies| copies == 6).await;
        self.put_orphan(&group).await;
        step(&self.owner, "DELETE", &format!("/groups/{}", group.id), Value::Null).await?;
        self.comes_to(|| self.copies(&group), |copies| copies == 0).await;
        self.comes_to(|| self.open_jobs(&group), |open| open == 0).await;
        self.comes_to(|| self.roster(&group), |rows| rows == 0).await;
        self.hand_over().await;
        for item in self.provider.items_of("glucose").all().await.map_err(|error| error.to_string())? {
            step(&self.provider, "DELETE", &format!("/user/data/{}", item.id), Value::Null).await?;
        }
        self.erase().await?;
        self.lone_copy(false).await
    }

    /// Somebody who leaves for good, and what they had written.
    async fn erase(&mut self) -> Result<(), Why> {
        let leaver = self.world.person(&format!("leaver-{}@example.org", self.round)).await;
        let fields = json!({"takenAt": self.time(), "mgdl": 700});
        step(&leaver, "POST", "/user/data", json!({"type": "glucose", "fields": fields})).await?;
        step(&leaver, "DELETE", "/user", Value::Null).await?;
        let drive = leaver.user.drive.as_str();
        self.comes_to(|| self.count("data", drive, "", |_| true), |items| items == 0).await;
        Ok(())
    }

    /// Rules that ask for a field of which copies say nothing, so that each is compared with its source.
    async fn narrow(&self, group: &Group) {
        let store = Store::new(self.world.clients.dynamodb().clone(), Tables::of_stack(&self.world.name));
        let row = store.group(&GroupId::parse(&group.id).unwrap()).await.unwrap();
        let before = store.rule_set(&row.id, row.rule_revision).await.unwrap();
        let mut after = before.clone();
        let rule = after.rules.first_mut().unwrap();
        rule.when = Some(format!("({}) && !(resource has device)", rule.when.as_deref().unwrap_or("true")));
        store
            .change_rules(
                &row,
                (&after, Judged { verdict: Verdict::Narrows, known: Known::Enumerated }),
                1,
                now(),
            )
            .await
            .unwrap();
        self.world.announce(group).await;
    }

    /// A copy of a member long gone, which no purge of a member of now leads to.
    async fn put_orphan(&self, group: &Group) {
        let copies = self.world.rows("replicas").await;
        let ours = |row: &&Row| journeys::text(row, "pk") == format!("{}#glucose#0", group.id);
        let copy = copies.iter().filter(ours).find(|row| row.contains_key("body")).unwrap();
        let item = journeys::text(copy, "sk").split('#').next().unwrap().to_owned();
        let foreign = text_value(&format!("{item}#01ARZ3NDEKTSV4RRFFQ69G5FAV"));
        self.put("replicas", scrubbing::with(copy, "sk", foreign)).await;
    }

    /// A function with too little time for any work hands a job over and over; given time, it ends it.
    async fn hand_over(&self) {
        let group = self.owner.make_group("handed over").await;
        self.set_timeout(15).await;
        self.provider.join(&self.owner, &group, "provider").await;
        // The second time it was the function itself that had sent the message.
        self.comes_to(|| self.said("Continue"), |times| times > 1).await;
        self.set_timeout(300).await;
        // The emulator ends an invocation when its function is changed, and its message is hidden for half an hour.
        self.world.announce(&group).await;
        self.comes_to(|| self.open_jobs(&group), |open| open == 0).await;
    }

    async fn set_timeout(&self, seconds: i32) {
        let function = format!("{}-worker", self.world.name);
        let change = self.world.clients.lambda().update_function_configuration();
        change.function_name(function).timeout(seconds).send().await.unwrap();
    }

    /// How often the function logged something in this round.
    async fn said(&self, what: &str) -> usize {
        logged(self.world, "worker", self.began, what).await.len()
    }

    async fn comes_to(&self, look: impl AsyncFn() -> usize, good: impl Fn(usize) -> bool) {
        while !good(look().await) {
            tokio::time::sleep(Duration::from_millis(80)).await;
        }
    }

    async fn copies(&self, group: &Group) -> usize {
        self.count("replicas", &format!("{}#glucose#0", group.id), "", |row| row.contains_key("body")).await
    }

    async fn open_jobs(&self, group: &Group) -> usize {
        self.world.open_jobs(group).await.len()
    }

    async fn roster(&self, group: &Group) -> usize {
        self.count("directory", &format!("GROUP#{}", group.id), "ROSTER#", |_| true).await
    }

    async fn count(&self, table: &str, pk: &str, prefix: &str, wanted: impl Fn(&Row) -> bool) -> usize {
        let query = self.world.clients.dynamodb().query().table_name(format!("{}-{table}", self.world.name));
        let query =
            query.key_condition_expression("pk = :pk").expression_attribute_values(":pk", text_value(pk));
        let rows = query.consistent_read(true).send().await.unwrap();
        let below = |row: &&Row| row["sk"].as_s().is_ok_and(|sk| sk.starts_with(prefix));
        rows.items().iter().filter(below).filter(|row| wanted(row)).count()
    }

    /// Every route, with a new person and a new group, so that nothing is remembered from an earlier round.
    async fn api(&mut self) -> Result<(), Why> {
        let address = format!("new-{}@example.org", self.round);
        let client = self.world.place.person(&address).await.map_err(|error| error.to_string())?;
        let new = Asker(&client);
        let user = new.step("POST", "/user", json!({})).await?;
        new.step("GET", "/user", Value::Null).await?;
        let group = text(&new.step("POST", "/groups", json!({"name": "new"})).await?, "id");
        let at = |rest: &str| format!("/groups/{group}{rest}");
        for (role, what) in [("consumer", "decline"), ("provider", "accept"), ("consumer", "accept")] {
            let invitation =
                new.step("POST", &at("/invitations"), json!({"email": address, "role": role})).await?;
            new.step("POST", &at(&format!("/invitations/{}/{what}", text(&invitation, "id"))), json!({}))
                .await?;
        }
        for path in ["/user/members", "/user/invitations", &at(""), &at("/members"), &at("/invitations")] {
            new.step("GET", path, Value::Null).await?;
        }
        self.items(&new, &group).await?;
        self.items_in_two_groups(&new).await?;
        new.step("DELETE", &at(&format!("/members/{}", text(&user, "drive"))), Value::Null).await?;
        new.step("POST", &at("/leave?role=consumer"), json!({})).await?;
        new.step("DELETE", &at(""), Value::Null).await.map(|_| ())
    }

    /// What is taken away from two groups at once.
    async fn items_in_two_groups(&mut self, new: &Asker<'_>) -> Result<(), Why> {
        let group = text(&new.step("POST", "/groups", json!({"name": "second"})).await?, "id");
        let invite = json!({"email": new.0.who(), "role": "provider"});
        let invitation = new.step("POST", &format!("/groups/{group}/invitations"), invite).await?;
        let accept = format!("/groups/{group}/invitations/{}/accept", text(&invitation, "id"));
        new.step("POST", &accept, json!({})).await?;
        // One that has copies, most likely, and one that never has: what is buried there is new.
        for mgdl in [300, 100] {
            let item = json!({"type": "glucose", "fields": {"takenAt": self.time(), "mgdl": mgdl}});
            let made = new.step("POST", "/user/data", item).await?;
            new.step("DELETE", &format!("/user/data/{}", text(&made, "id")), Value::Null).await?;
        }
        Ok(())
    }

    /// Items, and what taking them away does to copies.
    async fn items(&mut self, new: &Asker<'_>, group: &str) -> Result<(), Why> {
        let item =
            |time: String, mgdl: i64| json!({"type": "glucose", "fields": {"takenAt": time, "mgdl": mgdl}});
        let mut paths = Vec::new();
        for mgdl in [200, 210] {
            let made = new.step("POST", "/user/data", item(self.time(), mgdl)).await?;
            paths.push(format!("/user/data/{}", text(&made, "id")));
        }
        let batch = json!({"items": [item(self.time(), 220), item(self.time(), 230)]});
        let made = new.step("POST", "/user/data/batch", batch).await?;
        let statuses: Vec<_> =
            made["results"].as_array().into_iter().flatten().map(|made| &made["status"]).collect();
        if statuses != [201, 201] {
            return Err(format!("a batch gave {statuses:?}"));
        }
        for path in [&paths[0], "/user/data", "/user/data/types/glucose"] {
            new.step("GET", path, Value::Null).await?;
        }
        let shared = format!("/groups/{group}/data");
        while new.step("GET", &shared, Value::Null).await?["items"]
            .as_array()
            .is_none_or(|items| items.len() < 4)
        {
            tokio::time::sleep(Duration::from_millis(80)).await;
        }
        new.step("GET", &format!("{shared}/types/glucose"), Value::Null).await?;
        new.step("PATCH", &paths[0], json!({"fields": {"mgdl": 100}})).await?;
        new.step("DELETE", &paths[1], Value::Null).await?;
        let left = new.step("GET", &shared, Value::Null).await?;
        let left: Vec<_> =
            left["items"].as_array().into_iter().flatten().map(|item| &item["fields"]["mgdl"]).collect();
        if left != [230, 220] { Err(format!("what was taken away still shows: {left:?}")) } else { Ok(()) }
    }
}

/// What a function has logged since then that contains this.
async fn logged(world: &World, function: &str, since: i64, what: &str) -> Vec<String> {
    let group = format!("/aws/lambda/{}-{function}", world.name);
    let events = world.clients.logs().filter_log_events().log_group_name(group).start_time(since);
    let events = events.send().await.unwrap();
    let messages = events.events().iter().filter_map(|event| event.message());
    messages.filter(|text| text.contains(what)).map(str::to_owned).collect()
}

/// Waits until a function says that something was refused to it, and a little longer: it might do without.
async fn refused(world: &World, function: &str, since: i64) -> Why {
    loop {
        tokio::time::sleep(LOOK).await;
        if let Some(refusal) = logged(world, function, since, REFUSED).await.pop() {
            tokio::time::sleep(DETOUR).await;
            let what = refusal.split_once(REFUSED).map_or("", |(_, what)| what);
            return format!("it was refused {}", what.split(" because").next().unwrap());
        }
    }
}

/// Somebody who may have no profile yet.
struct Asker<'c>(&'c Account);

impl Asker<'_> {
    async fn step(&self, method: &str, path: &str, body: Value) -> Result<Value, Why> {
        let body = (!body.is_null()).then_some(&body);
        let verb = Method::from_bytes(method.as_bytes()).map_err(|error| error.to_string())?;
        let answer = self.0.call(verb, path, body).await.map_err(|error| error.to_string())?;
        if answer.status.is_success() {
            Ok(answer.body)
        } else {
            Err(format!("{method} {path}: {}", answer.status))
        }
    }
}

async fn step(person: &Person, method: &str, path: &str, body: Value) -> Result<Value, Why> {
    Asker(person).step(method, path, body).await
}

fn text_value(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn text(value: &Value, name: &str) -> String {
    value[name].as_str().unwrap_or_default().to_owned()
}
