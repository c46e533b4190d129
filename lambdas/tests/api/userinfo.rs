//! The user pool's endpoint, as it may answer.

use std::sync::{Arc, Mutex};

use lambdas::api::userinfo::{HttpUserInfo, UserInfo, UserInfoError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

type Asked = Arc<Mutex<Vec<String>>>;

/// A pool that gives these answers, one for each connection, and notes what it was asked.
pub async fn pool(answers: &[(&'static str, &'static str)]) -> (String, Asked) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/oauth2/userInfo", listener.local_addr().unwrap());
    let asked = Asked::default();
    let (noted, answers) = (asked.clone(), answers.to_vec());
    tokio::spawn(async move {
        for (head, body) in answers {
            let (mut connection, _) = listener.accept().await.unwrap();
            let mut bytes = [0; 4096];
            let length = connection.read(&mut bytes).await.unwrap();
            noted.lock().unwrap().push(String::from_utf8_lossy(&bytes[..length]).to_lowercase());
            let length = body.len();
            let answer =
                format!("HTTP/1.1 {head}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
            connection.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    (url, asked)
}

async fn ask(
    answers: &[(&'static str, &'static str)],
) -> (Result<Option<String>, UserInfoError>, Vec<String>) {
    let (url, asked) = pool(answers).await;
    let answer = HttpUserInfo::new(url).verified_email("the-token", "s").await;
    let asked = asked.lock().unwrap().clone();
    (answer, asked)
}

const GOOD: &str = r#"{"sub": "s", "email": "a@example.org", "email_verified": "true"}"#;

#[tokio::test]
async fn the_pool_is_asked_with_the_callers_own_token() {
    let (answer, asked) = ask(&[("200 OK", GOOD)]).await;
    assert_eq!(answer, Ok(Some("a@example.org".into())));
    assert!(asked[0].starts_with("get /oauth2/userinfo"));
    assert!(asked[0].contains("authorization: bearer the-token"));
}

#[tokio::test]
async fn a_pool_that_stumbles_is_asked_once_more() {
    let (answer, asked) = ask(&[("503 Busy", ""), ("200 OK", GOOD)]).await;
    assert_eq!((answer, asked.len()), (Ok(Some("a@example.org".into())), 2));
    let (answer, asked) = ask(&[("503 Busy", ""), ("200 OK", "no json"), ("200 OK", GOOD)]).await;
    assert_eq!((answer, asked.len()), (Err(UserInfoError::Unavailable), 2));
}

#[tokio::test]
async fn a_refused_token_is_not_tried_again_and_no_redirect_gets_it() {
    let (answer, asked) = ask(&[("401 No", ""), ("200 OK", GOOD)]).await;
    assert_eq!((answer, asked.len()), (Err(UserInfoError::Refused), 1));
    let redirect = "302 Found\r\nlocation: /elsewhere";
    let (answer, asked) = ask(&[(redirect, ""), (redirect, "")]).await;
    assert_eq!((answer, asked.len()), (Err(UserInfoError::Unavailable), 2));
    assert!(asked.iter().all(|request| !request.contains("elsewhere")));
}
