use aws_credential_types::Credentials;
use aws_sdk_cognitoidentityprovider as cognito;
use cognito::config::{BehaviorVersion, Region};
use cognito::types::{ExplicitAuthFlowsType, OAuthFlowType};

use super::*;
use crate::local::{ACCESS_KEY, Lifetime, LocalOptions, Running, SECRET_KEY, ensure_running};

const PASSWORD: &str = "Correct-horse-7";

struct World {
    _dir: tempfile::TempDir,
    _running: Running,
    client: cognito::Client,
    pool_id: String,
    app: App,
}

async fn world(callback: &str) -> World {
    let dir = tempfile::tempdir().unwrap();
    let options =
        LocalOptions { port: Some(0), owner: Lifetime::WithParent, ..LocalOptions::new(dir.path()) };
    let running = ensure_running(&options, &|_| {}).await.unwrap();
    let config = cognito::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(&running.endpoint)
        .region(Region::new("eu-west-1"))
        .credentials_provider(Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "local"))
        .build();
    let client = cognito::Client::from_conf(config);
    let pool = client.create_user_pool().pool_name("people").send().await.unwrap();
    let pool_id = pool.user_pool().unwrap().id().unwrap().to_owned();
    let made = client
        .create_user_pool_client()
        .user_pool_id(&pool_id)
        .client_name("app")
        .allowed_o_auth_flows(OAuthFlowType::Code)
        .allowed_o_auth_flows_user_pool_client(true)
        .allowed_o_auth_scopes("openid")
        .allowed_o_auth_scopes("email")
        .supported_identity_providers("COGNITO")
        .callback_urls(callback)
        .explicit_auth_flows(ExplicitAuthFlowsType::AllowRefreshTokenAuth)
        .send()
        .await
        .unwrap();
    let app = App {
        hosted_url: running.endpoint.clone(),
        client_id: made.user_pool_client().unwrap().client_id().unwrap().to_owned(),
        redirect_uri: callback.to_owned(),
        scopes: vec!["openid".to_owned(), "email".to_owned()],
    };
    World { _dir: dir, _running: running, client, pool_id, app }
}

fn person(world: &World, password: &str) -> SignIn {
    SignIn { app: world.app.clone(), username: "ada@example.org".to_owned(), password: password.to_owned() }
}

#[tokio::test]
async fn a_person_signs_in_through_the_hosted_page() {
    let world = world("https://app.example.org/callback").await;
    let ensure = || ensure_user(&world.client, Pool::Local, &world.pool_id, "ada@example.org", PASSWORD);
    let sub = ensure().await.unwrap();
    assert_eq!(ensure().await.unwrap(), sub, "a second time changes nothing");
    let tokens = sign_in(&person(&world, PASSWORD)).await.unwrap();
    assert!(tokens.access_token.split('.').count() == 3 && tokens.expires_in >= 300);
    assert!(tokens.id_token.is_some() && tokens.refresh_token.is_some());
    let wrong = sign_in(&person(&world, "wrong")).await.err().unwrap();
    assert!(wrong.code() == "FH0522" && !wrong.to_string().contains("wrong`"), "{wrong}");
    let app = App { scopes: vec!["nonsense".to_owned()], ..world.app.clone() };
    let refused = sign_in(&SignIn { app, ..person(&world, PASSWORD) }).await.err().unwrap();
    assert_eq!(refused.code(), "FH0521", "{refused}");
    let app = App { client_id: "nobody".to_owned(), ..world.app.clone() };
    let refused = sign_in(&SignIn { app, ..person(&world, PASSWORD) }).await.err().unwrap();
    assert_eq!(refused.code(), "FH0521", "{refused}");
    let weak =
        ensure_user(&world.client, Pool::Local, &world.pool_id, "bob@example.org", "x").await.err().unwrap();
    assert_eq!(weak.code(), "FH0528", "{weak}");
    let real =
        ensure_user(&world.client, Pool::Real, &world.pool_id, "bob@example.org", PASSWORD).await.err();
    assert_eq!(real.unwrap().code(), "FH0527");
}

#[tokio::test]
async fn a_browser_comes_back_to_the_loopback_address() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let world = world(&format!("http://localhost:{port}/callback")).await;
    ensure_user(&world.client, Pool::Local, &world.pool_id, "ada@example.org", PASSWORD).await.unwrap();
    let (sender, receiver) = tokio::sync::oneshot::channel();
    let sender = std::sync::Mutex::new(Some(sender));
    let show = |url: &str| drop(sender.lock().unwrap().take().unwrap().send(Url::parse(url).unwrap()));
    // The person's part: the page's form, sent by hand, then the redirect.
    let person = async {
        let url = receiver.await.unwrap();
        let http = client().unwrap();
        let html = http.get(url.clone()).send().await.unwrap().text().await.unwrap();
        let mut fields = form::sign_in_form(&html).unwrap().fields;
        fields.push(("username".into(), "ada@example.org".into()));
        fields.push(("password".into(), PASSWORD.into()));
        let answer = http.post(url.join("/login").unwrap()).form(&fields).send().await.unwrap();
        let callback = answer.headers()["location"].to_str().unwrap().to_owned();
        assert_eq!(
            http.get(format!("http://127.0.0.1:{port}/favicon.ico")).send().await.unwrap().status(),
            404
        );
        http.get(callback).send().await.unwrap().text().await.unwrap()
    };
    let (tokens, thanks) = tokio::join!(sign_in_browser(&world.app, &show, TIMEOUT), person);
    assert!(!tokens.unwrap().access_token.is_empty());
    assert!(thanks.contains("signed in"), "{thanks}");
}

#[tokio::test]
async fn nobody_coming_back_ends_the_wait() {
    let app = App {
        hosted_url: "http://127.0.0.1:1".to_owned(),
        client_id: "app".to_owned(),
        redirect_uri: "http://127.0.0.1:0/callback".to_owned(),
        scopes: vec![],
    };
    let waited = sign_in_browser(&app, &|_| {}, Duration::from_millis(10)).await.err().unwrap();
    assert_eq!(waited.code(), "FH0526", "{waited}");
    let gone = sign_in(&SignIn { app, username: "a".into(), password: "b".into() }).await.err().unwrap();
    assert_eq!(gone.code(), "FH0520", "{gone}");
}

#[test]
fn an_answer_to_another_request_is_refused() {
    let secrets = pkce::Secrets::new().unwrap();
    let callback = |query: &str| Url::parse(&format!("http://127.0.0.1/callback?{query}")).unwrap();
    assert_eq!(code(&callback("code=c&state=other"), &secrets).unwrap_err().code(), "FH0524");
    assert_eq!(code(&callback("code=c"), &secrets).unwrap_err().code(), "FH0524");
    let right = format!("code=c&state={}", secrets.state);
    assert_eq!(code(&callback(&right), &secrets).unwrap(), "c");
}
