//! A function's own program, started beside a Runtime API and a database of this machine, as Lambda would.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value as Json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};

use crate::error::{BenchError, Result};
use crate::world::World;

/// How long a function may be silent.
const PATIENCE: Duration = Duration::from_secs(300);

/// A function's program in a folder as `provision package` leaves it, or as cargo does.
pub fn program(folder: &Path, name: &str) -> PathBuf {
    let packaged = folder.join("programs").join(name).join("bootstrap");
    if packaged.is_file() { packaged } else { folder.join(name) }
}

/// Builds the functions as they are for AWS, but for this machine; gives the folder they are in.
///
/// # Errors
/// If cargo fails.
pub fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--locked", "--profile", "function", "-p", "lambdas", "--bins"]);
    let built = command.status().map_err(|error| BenchError::File { path: "cargo".into(), error })?;
    if !built.success() {
        return Err(BenchError::other("the functions could not be built"));
    }
    // Beside the folder of this program's own profile.
    let own = std::env::current_exe().map_err(BenchError::other)?;
    let target = own.ancestors().nth(2).ok_or_else(|| BenchError::other("this program lies nowhere"))?;
    Ok(target.join("function"))
}

/// Where functions find what they need.
#[derive(Debug, Clone)]
pub struct Place {
    folder: PathBuf,
    database: String,
    pool: String,
    config: String,
}

impl Place {
    /// The database of a world and a pool of its keys, for the programs of a folder.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn of(world: &World, folder: &Path) -> Result<Self> {
        let config = world.store.put_document(&world.document).await?;
        world.store.ensure_cursor_key().await?;
        let pool = pool(world.keys()?.to_string()).await?;
        Ok(Self { folder: folder.to_owned(), database: world.endpoint.clone(), pool, config })
    }
}

/// A function that runs and waits for an event.
#[derive(Debug)]
pub struct Function {
    child: Child,
    asked: mpsc::Receiver<Asked>,
    next: oneshot::Sender<Answer>,
    /// Seconds from its start to its first question for an event.
    pub ready: f64,
}

/// A request to the Runtime API.
#[derive(Debug)]
struct Asked {
    line: String,
    body: String,
    answer: oneshot::Sender<Answer>,
}

/// Headers, each with its end of line, and a body.
type Answer = (String, String);

impl Function {
    /// Starts a function and waits until it asks for an event.
    ///
    /// # Errors
    /// If it cannot be started, or ends up otherwise.
    pub async fn start(place: &Place, name: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.map_err(BenchError::other)?;
        let runtime = listener.local_addr().map_err(BenchError::other)?.to_string();
        let (requests, mut asked) = mpsc::channel(8);
        tokio::spawn(serve(listener, requests));
        let begun = Instant::now();
        let child = spawn(place, name, &runtime)?;
        let first = next(&mut asked).await;
        let ready = begun.elapsed().as_secs_f64();
        match first {
            Ok(first) if first.line.contains("/invocation/next") => {
                Ok(Self { child, asked, next: first.answer, ready })
            }
            other => {
                let mut child = child;
                let _ = child.kill();
                let _ = child.wait();
                Err(BenchError::other(format!("`{name}` did not start: {other:?}")))
            }
        }
    }

    /// Gives it an event; its answer, and after how many seconds it came.
    ///
    /// # Errors
    /// If it fails.
    pub async fn invoke(&mut self, event: &Json) -> Result<(Json, f64)> {
        let headers = "lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
             lambda-runtime-deadline-ms: 4000000000000\r\n\
             lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:000000000000:function:f\r\n";
        let (waiting, _) = oneshot::channel();
        let next_event = std::mem::replace(&mut self.next, waiting);
        let begun = Instant::now();
        next_event.send((headers.into(), event.to_string())).map_err(|_| BenchError::other("it is gone"))?;
        let asked = next(&mut self.asked).await?;
        let seconds = begun.elapsed().as_secs_f64();
        if !asked.line.contains("/response") {
            return Err(BenchError::other(format!("it fails: {} {}", asked.line, asked.body)));
        }
        let _ = asked.answer.send((String::new(), "{}".into()));
        self.next = next(&mut self.asked).await?.answer;
        Ok((serde_json::from_str(&asked.body)?, seconds))
    }

    /// The most memory that it had, in MB, as Linux tells.
    pub fn peak(&self) -> f64 {
        memory(&format!("/proc/{}/status", self.child.id()), "VmHWM:")
    }
}

impl Drop for Function {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line of a process's status, in MB.
pub fn memory(path: &str, name: &str) -> f64 {
    let found = std::fs::read_to_string(path).ok().and_then(|status| {
        let line = status.lines().find(|line| line.starts_with(name))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<f64>().ok()
    });
    found.unwrap_or(f64::NAN) / 1024.0
}

fn spawn(place: &Place, name: &str, runtime: &str) -> Result<Child> {
    let (database, pool) = (place.database.as_str(), place.pool.as_str());
    let settings = [
        ("AWS_LAMBDA_RUNTIME_API", runtime),
        ("AWS_LAMBDA_FUNCTION_NAME", name),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "g"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "s"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "bench"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("AWS_ENDPOINT_URL", database),
        ("FREEHOLD_STACK", "t"),
        ("FREEHOLD_DATA_TABLE", "t-data"),
        ("FREEHOLD_REPLICAS_TABLE", "t-replicas"),
        ("FREEHOLD_DIRECTORY_TABLE", "t-directory"),
        ("FREEHOLD_CONFIG", place.config.as_str()),
        ("FREEHOLD_LOG", "error"),
        ("FREEHOLD_JOBS_QUEUE_URL", database),
        ("FREEHOLD_WRITES_PER_SECOND", "1000000"),
        ("FREEHOLD_CALLS_PER_SECOND", "1000000"),
        ("FREEHOLD_ISSUER", crate::tokens::ISSUER),
        ("FREEHOLD_CLIENT_ID", crate::tokens::CLIENT),
        ("FREEHOLD_USERINFO_URL", pool),
        ("FREEHOLD_KEYS_URL", pool),
    ];
    let program = program(&place.folder, name);
    let mut command = Command::new(&program);
    command.env_clear().envs(settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|error| BenchError::File { path: program.display().to_string(), error })
}

async fn next(asked: &mut mpsc::Receiver<Asked>) -> Result<Asked> {
    let asked = tokio::time::timeout(PATIENCE, asked.recv()).await;
    asked.ok().flatten().ok_or_else(|| BenchError::other("a function says nothing any more"))
}

/// The Runtime API: hands each request over, and waits for what to answer.
async fn serve(listener: TcpListener, requests: mpsc::Sender<Asked>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let requests = requests.clone();
        tokio::spawn(async move {
            while let Ok(Some((line, body))) = request(&mut stream).await {
                let (answer, answered) = oneshot::channel();
                if requests.send(Asked { line, body, answer }).await.is_err() {
                    return;
                }
                let Ok((headers, body)) = answered.await else { return };
                if respond(&mut stream, &headers, &body).await.is_err() {
                    return;
                }
            }
        });
    }
}

/// A user pool that lists its keys to whoever asks; its address.
async fn pool(keys: String) -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(BenchError::other)?;
    let address = format!("http://{}", listener.local_addr().map_err(BenchError::other)?);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let keys = keys.clone();
            tokio::spawn(async move {
                while let Ok(Some(_)) = request(&mut stream).await {
                    if respond(&mut stream, "", &keys).await.is_err() {
                        return;
                    }
                }
            });
        }
    });
    Ok(address)
}

/// Answers a request with JSON.
async fn respond(stream: &mut TcpStream, headers: &str, body: &str) -> Result<()> {
    let length = body.len();
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n{headers}\r\n"
    );
    stream.write_all(format!("{head}{body}").as_bytes()).await.map_err(BenchError::other)
}

/// The first line of the next request of a connection, and its body; none at its end.
async fn request(stream: &mut TcpStream) -> Result<Option<(String, String)>> {
    let mut bytes = Vec::new();
    let mut length = None;
    loop {
        let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").map(|at| at + 4);
        if let Some(end) = end {
            let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default()).into_owned();
            let length = *length.get_or_insert_with(|| content_length(&head));
            if let Some(body) = bytes.get(end..end + length) {
                let line = head.lines().next().unwrap_or_default().to_owned();
                return Ok(Some((line, String::from_utf8_lossy(body).into_owned())));
            }
        }
        if stream.read_buf(&mut bytes).await.map_err(BenchError::other)? == 0 {
            return Ok(None);
        }
    }
}

fn content_length(head: &str) -> usize {
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse().ok() } else { None }
    });
    length.unwrap_or(0)
}
