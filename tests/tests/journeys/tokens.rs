//! Tokens that do not count: at the gateway, and at the function called past it.

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair};
use aws_sdk_lambda::primitives::Blob;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use journeys::{Person, Raw as _, World};
use reqwest::Method;
use serde_json::{Value, json};

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn part(token: &str, number: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(number).unwrap()).unwrap()).unwrap()
}

/// The very key that the emulator's pool signs access tokens with: a token signed with it is as good as they come, but
/// for what it says.
fn pool_key(world: &World, issuer: &str) -> RsaKeyPair {
    let pool = issuer.rsplit('/').next().unwrap();
    let name = format!("{pool}-access.pem");
    let mut folders = vec![world.emulator.dir.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if entry.file_name().to_string_lossy() == name {
                return read_key(&std::fs::read_to_string(path).unwrap());
            }
        }
    }
    panic!("the emulator has no `{name}`")
}

fn read_key(pem: &str) -> RsaKeyPair {
    let body: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let der = STANDARD.decode(body).unwrap();
    RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der)).unwrap()
}

fn signed(key: &RsaKeyPair, header: &Value, claims: &Value) -> String {
    let text = format!("{}.{}", encoded(header.to_string()), encoded(claims.to_string()));
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    format!("{text}.{}", encoded(signature))
}

/// Tokens that do not count. The second is whether the gateway has to notice; what it lets through, the function refuses.
fn forgeries(good: &str, key: &RsaKeyPair) -> Vec<(&'static str, bool, String)> {
    let (header, claims) = (part(good, 0), part(good, 1));
    let own = RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap();
    let der = own.public_key().as_ref().to_vec();
    let jwk = json!({"kty": "RSA", "kid": "own", "alg": "RS256", "n": encoded(&der[9..265]), "e": "AQAB"});
    let now = claims["iat"].as_i64().unwrap();
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        signed(key, &header, &claims)
    };
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        signed(key, &header, &claims)
    };
    let headed = |signer: &RsaKeyPair, name: &str, value: Value| {
        let mut header = header.clone();
        header[name] = value;
        signed(signer, &header, &claims)
    };
    let (text, signature) = good.rsplit_once('.').unwrap();
    let mut flipped = URL_SAFE_NO_PAD.decode(signature).unwrap();
    flipped[9] ^= 1;
    let mut elses = claims.clone();
    elses["sub"] = "somebody-else".into();
    let mut none = header.clone();
    none["alg"] = "none".into();
    let mut hs = header.clone();
    hs["alg"] = "HS256".into();
    let hs = format!("{}.{}", encoded(hs.to_string()), encoded(claims.to_string()));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key.public_key().as_ref()), hs.as_bytes());
    let kid = header["kid"].clone();
    vec![
        ("alg none", true, format!("{}.{}.", encoded(none.to_string()), encoded(claims.to_string()))),
        ("HMAC with the public key", true, format!("{hs}.{}", encoded(tag))),
        ("a wrong kid", true, headed(key, "kid", "another".into())),
        ("another's signature under our kid", true, headed(&own, "kid", kid)),
        ("an embedded key", true, headed(&own, "jwk", jwk.clone())),
        (
            "an embedded key and its kid",
            true,
            signed(&own, &json!({"alg": "RS256", "kid": "own", "jwk": jwk}), &claims),
        ),
        ("the address of a key", true, headed(&own, "jku", "https://evil.example.org/keys".into())),
        ("a certificate", true, headed(&own, "x5c", json!(["MIIB"]))),
        ("an altered signature", true, format!("{text}.{}", encoded(flipped))),
        (
            "an altered payload",
            true,
            format!("{}.{}.{signature}", text.split('.').next().unwrap(), encoded(elses.to_string())),
        ),
        ("another issuer", true, with("iss", "https://elsewhere.example.org".into())),
        ("another client", true, with("client_id", "another".into())),
        ("expired", true, with("exp", json!(now - 10))),
        ("not yet valid", true, with("nbf", json!(now + 3600))),
        // The emulator's gateway lets these pass; AWS's asks for `exp` as well.
        ("without exp", false, without("exp")),
        ("an id token", false, with("token_use", "id".into())),
        ("without token_use", false, without("token_use")),
    ]
}

/// What the function says if it is invoked past the gateway, by somebody who may, with whatever claims they like.
async fn past_the_gateway(world: &World, token: Option<&str>, claims: &Value) -> u16 {
    let mut event = json!({
        "version": "2.0", "routeKey": "GET /user", "rawPath": "/user", "rawQueryString": "", "headers": {},
        "requestContext": {
            "http": {"method": "GET", "path": "/user"}, "requestId": "direct", "stage": "$default",
            "authorizer": {"jwt": {"claims": claims, "scopes": ["freehold/profile"]}},
        },
        "isBase64Encoded": false,
    });
    if let Some(token) = token {
        event["headers"]["authorization"] = format!("Bearer {token}").into();
    }
    let function = format!("{}-api", world.name);
    let invoked = world.clients.lambda().invoke().function_name(function);
    let answer = invoked.payload(Blob::new(event.to_string())).send().await.unwrap();
    let answer: Value = serde_json::from_slice(answer.payload().unwrap().as_ref()).unwrap();
    u16::try_from(answer["statusCode"].as_u64().unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

async fn at_the_gateway(person: &Person, token: &str) -> u16 {
    person.call_with(Method::GET, "/user", None, Some(token)).await.unwrap().status.as_u16()
}

#[tokio::test]
async fn no_forged_token_counts_at_the_gateway_or_past_it() {
    let world = World::shared("forged").await;
    let person = world.person("somebody").await;
    let good = person.token().await.unwrap();
    let claims = part(&good, 1);
    let key = pool_key(&world, claims["iss"].as_str().unwrap());
    assert_eq!(at_the_gateway(&person, &good).await, 200);
    assert_eq!(past_the_gateway(&world, Some(&good), &claims).await, 200);
    // Made by hand and right in everything: what follows is refused for what is wrong with it.
    let made = signed(&key, &part(&good, 0), &claims);
    assert_eq!(past_the_gateway(&world, Some(&made), &claims).await, 200);
    for (what, gateway_notices, token) in forgeries(&good, &key) {
        // Past it or not, the answer is the same; who gives it differs.
        let answer = person.call_with(Method::GET, "/user", None, Some(&token)).await.unwrap();
        assert_eq!(answer.status.as_u16(), 401, "{what}, at the gateway: {answer:?}");
        let by_function = answer.content_type == "application/problem+json";
        assert!(!(gateway_notices && by_function), "{what} was let through by the gateway: {answer:?}");
        // Good claims beside it, as somebody would write them who may invoke the function.
        assert_eq!(past_the_gateway(&world, Some(&token), &claims).await, 401, "{what}, past the gateway");
    }
    assert_eq!(past_the_gateway(&world, None, &claims).await, 401, "claims without a token");
}

#[tokio::test]
async fn what_is_no_route_says_so_and_needs_no_token() {
    let world = World::shared("no-route").await;
    let person = world.person("somebody").await;
    let nowhere = person.call_with(Method::GET, "/nowhere", None, None).await.unwrap();
    assert_eq!((nowhere.status.as_u16(), nowhere.content_type.as_str()), (404, "application/problem+json"));
    let wrong = person.call_with(Method::PUT, "/user", None, None).await.unwrap();
    assert_eq!(wrong.body["type"], "urn:freehold:problem:method-not-allowed", "{wrong:?}");
    let open = person.call_with(Method::GET, "/openapi.json", None, None).await.unwrap();
    assert_eq!((open.status.as_u16(), &open.body["openapi"]), (200, &json!("3.1.0")));
}
