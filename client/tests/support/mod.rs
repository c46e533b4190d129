//! An API that says what a test tells it to, and remembers what it was asked.
#![allow(dead_code, reason = "each test program needs a part of it")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: String,
    pub path: String,
    pub query: Vec<(String, String)>,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// An answer.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A status, headers, a body.
    Full(u16, Vec<(&'static str, String)>, String),
    /// The connection ends.
    Nothing,
}

impl Reply {
    pub fn json(status: u16, body: &Value) -> Self {
        Self::Full(status, vec![("content-type", "application/json".to_owned())], body.to_string())
    }
    pub fn empty(status: u16) -> Self {
        Self::Full(status, Vec::new(), String::new())
    }
}

/// The API.
pub struct Api {
    pub base: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Api {
    /// Answers as `answer` says, which is told the number of the request, from 0.
    pub async fn new(answer: impl Fn(usize, &Seen) -> Reply + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let kept = seen.clone();
        tokio::spawn(async move {
            while let Ok((connection, _)) = listener.accept().await {
                let mut connection = BufReader::new(connection);
                let request = read(&mut connection).await;
                let number = kept.lock().unwrap().len();
                let reply = answer(number, &request);
                kept.lock().unwrap().push(request);
                write(&mut connection, reply).await;
            }
        });
        Self { base, seen }
    }

    /// What it was asked, in order.
    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }
}

async fn read(connection: &mut BufReader<TcpStream>) -> Seen {
    let mut line = String::new();
    connection.read_line(&mut line).await.unwrap();
    let mut parts = line.split(' ').map(str::to_owned);
    let (method, target) = (parts.next().unwrap(), parts.next().unwrap());
    let mut headers = BTreeMap::new();
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await.unwrap();
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").map_or(0, |text| text.parse().unwrap());
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await.unwrap();
    let url = reqwest::Url::parse(&format!("http://api{target}")).unwrap();
    let query = url.query_pairs().into_owned().collect();
    Seen { method, path: url.path().to_owned(), query, headers, body }
}

async fn write(connection: &mut BufReader<TcpStream>, reply: Reply) {
    let Reply::Full(status, headers, body) = reply else { return };
    let mut text =
        format!("HTTP/1.1 {status} Said\r\nconnection: close\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.push_str(&body);
    // Who asked may have had enough.
    let _ = connection.get_mut().write_all(text.as_bytes()).await;
    let _ = connection.get_mut().shutdown().await;
}
