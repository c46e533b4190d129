//! Tokens: those of the pool, and every kind that is not.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures::future::BoxFuture;
use lambdas::api::Request;
use lambdas::api::keys::{HttpKeys, KeyError, KeyList, KeyRing, KeySource, NoKeys};
use serde_json::{Value as Json, json};

use crate::access::{filled, secured};
use crate::userinfo::pool;
use crate::world::{Person, World};

/// The name of the key that the pool signs with.
pub const KEY: &str = "pool-key";

/// A key of the pool's kind.
pub struct Signer(KeyPair);

/// The key that the pool signs with.
pub static POOL: LazyLock<Signer> = LazyLock::new(Signer::new);
/// Somebody else's.
static OTHER: LazyLock<Signer> = LazyLock::new(Signer::new);

pub fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Signer {
    fn new() -> Self {
        Self(KeyPair::generate(KeySize::Rsa2048).unwrap())
    }

    /// The public key as lists of keys have it.
    pub fn listed(&self, name: &str) -> Json {
        // RSAPublicKey of RFC 8017: with 2048 bits and the usual exponent its parts are always in the same places.
        let der = self.0.public_key().as_ref();
        assert_eq!((der.len(), &der[265..]), (270, &[2, 3, 1, 0, 1][..]));
        json!({
            "kty": "RSA", "kid": name, "alg": "RS256", "use": "sig",
            "n": encoded(&der[9..265]), "e": encoded(&der[267..]),
        })
    }

    pub fn sign(&self, header: &Json, claims: &Json) -> String {
        let text = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
        let mut signature = vec![0; self.0.public_modulus_len()];
        self.0.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
        format!("{text}.{}", encoded(signature))
    }
}

/// A token of the pool.
pub fn token(claims: &Json) -> String {
    POOL.sign(&json!({"alg": "RS256", "kid": KEY, "typ": "JWT"}), claims)
}

/// Whose a token is, without any check.
pub fn subject(token: &str) -> String {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice::<Json>(&payload).unwrap()["sub"].as_str().unwrap().to_owned()
}

/// What the pool lists, whether it answers, and how often it was asked.
#[derive(Clone, Default)]
pub struct FakeKeys {
    pub listed: Arc<Mutex<Option<Vec<Json>>>>,
    pub asked: Arc<AtomicUsize>,
}

impl FakeKeys {
    pub fn of_pool() -> Self {
        let keys = Self::default();
        *keys.listed.lock().unwrap() = Some(vec![POOL.listed(KEY)]);
        keys
    }
}

impl KeySource for FakeKeys {
    fn fetch(&self) -> BoxFuture<'_, Result<KeyList, NoKeys>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let listed = self.listed.lock().unwrap().clone().ok_or(NoKeys);
        Box::pin(std::future::ready(
            listed.map(|keys| serde_json::from_value(json!({ "keys": keys })).unwrap()),
        ))
    }
}

/// Tokens that do not count, each with what is wrong with it.
fn forgeries(person: &Person<'_>) -> Vec<(&'static str, String)> {
    let now = person.world.now().seconds();
    let claims = person.claims();
    let header = json!({"alg": "RS256", "kid": KEY});
    let with = |name: &str, value: Json| {
        let mut claims = claims.clone();
        claims[name] = value;
        token(&claims)
    };
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        token(&claims)
    };
    let headed = |signer: &Signer, name: &str, value: Json| {
        let mut header = header.clone();
        header[name] = value;
        signer.sign(&header, &claims)
    };
    let good = token(&claims);
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[100] ^= 1;
    let mut elses = claims.clone();
    elses["sub"] = "somebody-else".into();
    let none = |alg: &str| {
        format!("{}.{}.", encoded(json!({"alg": alg, "kid": KEY}).to_string()), encoded(claims.to_string()))
    };
    let hmac = |secret: &[u8]| {
        let head = encoded(json!({"alg": "HS256", "kid": KEY}).to_string());
        let text = format!("{head}.{}", encoded(claims.to_string()));
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), text.as_bytes());
        format!("{text}.{}", encoded(tag))
    };
    let other = OTHER.listed(KEY);
    vec![
        ("alg none", none("none")),
        ("alg NONE", none("NONE")),
        ("alg none with a signature", format!("{}{signature}", none("none"))),
        ("HMAC with the public key", hmac(POOL.0.public_key().as_ref())),
        ("HMAC with the modulus", hmac(POOL.listed(KEY)["n"].as_str().unwrap().as_bytes())),
        ("another algorithm of the same key", headed(&POOL, "alg", "RS512".into())),
        ("an unknown kid", headed(&POOL, "kid", "another".into())),
        ("an empty kid", headed(&POOL, "kid", "".into())),
        ("no kid", POOL.sign(&json!({"alg": "RS256"}), &claims)),
        ("signed by somebody else under our kid", OTHER.sign(&header, &claims)),
        ("an embedded key", headed(&OTHER, "jwk", other.clone())),
        (
            "an embedded key and its kid",
            OTHER.sign(&json!({"alg": "RS256", "kid": "x", "jwk": other}), &claims),
        ),
        ("the address of a key", headed(&OTHER, "jku", "https://evil.example.org/keys".into())),
        ("a certificate", headed(&OTHER, "x5c", json!(["MIIB"]))),
        ("the address of a certificate", headed(&OTHER, "x5u", "https://evil.example.org/cert".into())),
        ("the pool's own signature beside an embedded key", headed(&POOL, "jwk", OTHER.listed("x"))),
        ("an extension to be understood", headed(&POOL, "crit", json!(["b64"]))),
        ("an altered signature", format!("{signed}.{}", encoded(flipped))),
        ("half a signature", format!("{signed}.{}", &signature[..100])),
        ("no signature", format!("{signed}.")),
        ("an altered payload", format!("{head}.{}.{signature}", encoded(elses.to_string()))),
        ("a fourth part", format!("{good}.AAAA")),
        ("no token", "nonsense".to_owned()),
        ("another issuer", with("iss", "https://elsewhere".into())),
        ("another client", with("client_id", "another".into())),
        ("an id token", with("token_use", "id".into())),
        ("expired", with("exp", json!(now))),
        ("long expired", with("exp", json!(now - 86_400))),
        ("an end that is no number", with("exp", "tomorrow".into())),
        ("not yet valid", with("nbf", json!(now + 3_600))),
        ("issued in the future", with("iat", json!(now + 3_600))),
        ("nobody's", with("sub", "".into())),
        ("without exp", without("exp")),
        ("without iss", without("iss")),
        ("without client_id", without("client_id")),
        ("without token_use", without("token_use")),
        ("without sub", without("sub")),
        ("far too long", format!("{good}{}", "A".repeat(10_000))),
    ]
}

fn bearing(request: &Request, token: &str) -> Request {
    let mut request = request.clone();
    request.headers.insert("authorization".into(), format!("Bearer {token}"));
    request
}

#[tokio::test]
async fn the_function_itself_refuses_every_forged_token_on_every_route() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let forgeries = forgeries(&ann);
    let names: BTreeSet<_> = forgeries.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), forgeries.len());
    for (route, _) in secured() {
        let request = ann.request(route.method, &filled(route.path), Json::Null);
        for (name, token) in &forgeries {
            let reply = ann.send(bearing(&request, token)).await;
            assert_eq!(reply.status, 401, "{name}: {} {}: {:#}", route.method, route.path, reply.json);
            assert!(reply.headers["www-authenticate"].contains("invalid_token"), "{name}");
            reply.problem(401, "unauthorized");
        }
    }
    assert_eq!(ann.get("/user").await.status, 200, "and a good one is taken");
}

#[tokio::test]
async fn keys_are_fetched_once_and_for_an_unknown_one_at_most_once_a_minute() {
    let world = World::new().await;
    let ann = world.person("ann").await;
    let asked = || world.keys.asked.load(Ordering::Relaxed);
    assert_eq!(asked(), 1);
    let header = json!({"alg": "RS256", "kid": "next-key"});
    let get = |signer: &Signer| {
        let request = ann.request("GET", "/user", Json::Null);
        bearing(&request, &signer.sign(&header, &ann.claims()))
    };
    for _ in 0..5 {
        ann.send(get(&OTHER)).await.problem(401, "unauthorized");
    }
    assert_eq!(asked(), 1, "an unknown name soon after fetching is not looked for again");
    // The pool changes its key.
    *world.keys.listed.lock().unwrap() = Some(vec![OTHER.listed("next-key")]);
    world.pass_days(1);
    ann.send(get(&OTHER)).await.expect(200);
    assert_eq!(asked(), 2);
    ann.get("/user").await.problem(401, "unauthorized");
    assert_eq!(asked(), 2, "a key that is gone counts no more");
}

#[tokio::test]
async fn without_the_pools_keys_nobody_is_let_in_and_all_are_told_to_come_back() {
    let keys = FakeKeys::default();
    let ring = KeyRing::new(Box::new(keys.clone()));
    let now = domain::time::Timestamp::from_millis(0);
    ring.warm(now).await;
    assert_eq!(ring.key(KEY, now).await.err(), Some(KeyError::Unavailable));
    assert_eq!(keys.asked.load(Ordering::Relaxed), 1, "a pool that is down is left alone for a moment");
    *keys.listed.lock().unwrap() = Some(vec![POOL.listed(KEY)]);
    assert!(ring.key(KEY, now.plus_millis(3_000)).await.is_ok());

    let world = World::new().await;
    let ann = world.visitor("ann");
    *world.keys.listed.lock().unwrap() = None;
    let reply = ann.get("/user").await;
    assert_eq!(reply.headers["retry-after"], "2");
    reply.problem(503, "unavailable");
}

#[tokio::test]
async fn only_keys_that_the_pool_signs_with_are_taken() {
    let keys = FakeKeys::default();
    let change = |name: &str, field: &str, value: &str| {
        let mut key = POOL.listed(name);
        key[field] = value.into();
        key
    };
    let with_uses = |name: &str, uses: &[&str]| {
        let mut key = POOL.listed(name);
        key["key_ops"] = json!(uses);
        key
    };
    *keys.listed.lock().unwrap() = Some(vec![
        with_uses("signs-only", &["sign"]),
        with_uses("no-use", &[]),
        with_uses("verifies", &["sign", "verify"]),
        change("encrypts", "use", "enc"),
        change("other-algorithm", "alg", "RS512"),
        change("other-kind", "kty", "oct"),
        change("broken", "n", "%"),
        POOL.listed(KEY),
    ]);
    let ring = KeyRing::new(Box::new(keys));
    let now = domain::time::Timestamp::from_millis(0);
    for name in ["signs-only", "no-use", "encrypts", "other-algorithm", "other-kind", "broken"] {
        assert_eq!(ring.key(name, now).await.err(), Some(KeyError::Unknown), "{name}");
    }
    assert!(ring.key(KEY, now).await.is_ok());
    assert!(ring.key("verifies", now).await.is_ok());
}

#[tokio::test]
async fn a_key_that_the_pool_has_withdrawn_counts_for_ten_minutes_and_for_an_hour_if_the_pool_is_silent() {
    let keys = FakeKeys::of_pool();
    let ring = KeyRing::new(Box::new(keys.clone()));
    let at = |minutes: i64| domain::time::Timestamp::from_millis(minutes * 60_000);
    ring.warm(at(0)).await;
    *keys.listed.lock().unwrap() = None;
    assert!(ring.key(KEY, at(9)).await.is_ok());
    assert_eq!(keys.asked.load(Ordering::Relaxed), 1, "not asked for while they are fresh");
    assert!(ring.key(KEY, at(59)).await.is_ok());
    assert_eq!(keys.asked.load(Ordering::Relaxed), 2);
    assert_eq!(ring.key(KEY, at(61)).await.err(), Some(KeyError::Unavailable));
    *keys.listed.lock().unwrap() = Some(vec![OTHER.listed("next-key")]);
    assert_eq!(ring.key(KEY, at(62)).await.err(), Some(KeyError::Unknown));
    *keys.listed.lock().unwrap() = Some(vec![POOL.listed(KEY)]);
    assert!(ring.key(KEY, at(64)).await.is_ok());
    *keys.listed.lock().unwrap() = Some(vec![OTHER.listed("next-key")]);
    assert_eq!(ring.key(KEY, at(75)).await.err(), Some(KeyError::Unknown));
}

#[tokio::test]
async fn the_list_of_keys_is_asked_for_three_times_and_nowhere_else() {
    let good = Box::leak(json!({"keys": [POOL.listed(KEY)]}).to_string().into_boxed_str());
    let (url, asked) = pool(&[("503 Busy", ""), ("200 OK", "no json"), ("200 OK", good)]).await;
    assert_eq!(HttpKeys::new(url).fetch().await.unwrap().keys.len(), 1);
    assert_eq!(asked.lock().unwrap().len(), 3);
    let redirect = "302 Found\r\nlocation: /elsewhere";
    let (url, asked) = pool(&[(redirect, ""), (redirect, ""), (redirect, "")]).await;
    assert!(HttpKeys::new(url).fetch().await.is_err());
    assert!(asked.lock().unwrap().iter().all(|request| !request.contains("elsewhere")));
}
