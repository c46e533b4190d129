//! Cold starts: a function's program is started beside a Runtime API and a database of this machine, as Lambda would. Measured
//! are the times from the start to the first question for an event, and to the answer to that event; the most memory it
//! took; and the size of its package.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use provision::package::Artefact;
use serde_json::{Value as Json, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::error::{BenchError, Result};
use crate::report::{Cell, Report, Table};
use crate::times::Times;
use crate::world::World;

/// One start.
struct Started {
    ready: f64,
    answered: f64,
    kilobytes: f64,
}

/// A function's program in a folder as `provision package` leaves it, or as cargo does.
fn program(folder: &Path, name: &str) -> PathBuf {
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
    // Beside this program's own profile.
    let own = std::env::current_exe().map_err(BenchError::other)?;
    let target = own.ancestors().nth(2).ok_or_else(|| BenchError::other("this program lies nowhere"))?;
    Ok(target.join("function"))
}

/// The sizes of the functions' packages, as `provision package` makes them, in MB.
fn packages(folder: &Path) -> Result<BTreeMap<String, f64>> {
    let out = std::env::temp_dir().join(format!("freehold-bench-{}", std::process::id()));
    let packed = provision::package::pack(&out, |name| program(folder, name)).map_err(BenchError::other);
    let _ = std::fs::remove_dir_all(&out);
    let of = |artefact: Artefact| (artefact.name, artefact.bytes as f64 / 1_048_576.0);
    Ok(packed?.into_iter().map(of).collect())
}

/// Starts each function so many times; `folder` has their programs.
///
/// # Errors
/// If a program is missing, cannot be started or does not ask for an event.
pub async fn run(folder: &Path, rounds: usize) -> Result<Report> {
    let mut report = Report::of("cold");
    let columns = [
        "function",
        "ready, ms: least",
        "median",
        "greatest",
        "first answer, ms: least",
        "median",
        "greatest",
        "memory, MB: least",
        "greatest",
        "program, MB",
        "zip, MB",
    ];
    let mut table = Table::new("Cold starts", &columns);
    let world = World::new().await?;
    let config = world.store.put_document(&world.document).await?;
    world.store.ensure_cursor_key().await?;
    for (name, zip) in packages(folder)? {
        let program = program(folder, &name);
        let bytes = std::fs::metadata(&program).map_err(BenchError::other)?.len();
        let mut all = Vec::new();
        for _ in 0..rounds {
            all.push(start(&program, &name, &world.endpoint, &config).await?);
        }
        let times = |of: fn(&Started) -> f64| Times::sorted(all.iter().map(of).collect());
        let (ready, answered) = (times(|one| one.ready * 1e3), times(|one| one.answered * 1e3));
        let memory = times(|one| one.kilobytes / 1024.0);
        table.push([
            Cell::from(name.as_str()),
            ready.min().into(),
            ready.median().into(),
            ready.max().into(),
            answered.min().into(),
            answered.median().into(),
            answered.max().into(),
            memory.min().into(),
            memory.max().into(),
            (bytes as f64 / 1_048_576.0).into(),
            zip.into(),
        ]);
        if matches!(&*name, "api" | "replicator") {
            report.at_most(format!("{name}: ms from spawn to ready, median"), ready.median(), 30.0);
        }
        report.at_most(format!("{name}: MB of memory at most"), memory.max(), 40.0);
        report.at_most(format!("{name}: MB of its package"), zip, 5.0);
    }
    report.tables.push(table);
    report.note("\"Ready\" includes reading the stack's document from the database over loopback.");
    report.note("The first event asks the API for its own description and the others for nothing that touches a group.");
    Ok(report)
}

fn event(name: &str) -> Json {
    match name {
        "api" => json!({
            "version": "2.0", "routeKey": "$default", "rawPath": "/openapi.json", "rawQueryString": "",
            "headers": {}, "isBase64Encoded": false,
            "requestContext": {"requestId": "r", "http": {"method": "GET", "path": "/openapi.json"}},
        }),
        _ => json!({"Records": []}),
    }
}

fn spawn(program: &Path, name: &str, runtime: &str, database: &str, config: &str) -> Result<Child> {
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
        ("FREEHOLD_CONFIG", config),
        ("FREEHOLD_LOG", "error"),
        ("FREEHOLD_JOBS_QUEUE_URL", database),
        ("FREEHOLD_ISSUER", "https://pool.example.org/p"),
        ("FREEHOLD_CLIENT_ID", "client"),
        ("FREEHOLD_USERINFO_URL", database),
        ("FREEHOLD_KEYS_URL", database),
    ];
    let mut command = Command::new(program);
    command.env_clear().envs(settings).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().map_err(|error| BenchError::File { path: program.display().to_string(), error })
}

async fn start(program: &Path, name: &str, database: &str, config: &str) -> Result<Started> {
    let listener = TcpListener::bind("127.0.0.1:0").await.map_err(BenchError::other)?;
    let runtime = listener.local_addr().map_err(BenchError::other)?.to_string();
    let begun = Instant::now();
    let mut child = spawn(program, name, &runtime, database, config)?;
    let patience = std::time::Duration::from_secs(20);
    let served = tokio::time::timeout(patience, serve(&listener, name, begun)).await;
    let kilobytes = peak(child.id());
    let _ = child.kill();
    let _ = child.wait();
    let (ready, answered) =
        served.map_err(|_| BenchError::other(format!("`{name}` does not ask for an event")))??;
    Ok(Started { ready, answered, kilobytes: kilobytes.unwrap_or(f64::NAN) })
}

/// The most memory that a process had, in KB, as Linux tells.
fn peak(process: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The Runtime API: gives one event, and waits for its answer.
async fn serve(listener: &TcpListener, name: &str, begun: Instant) -> Result<(f64, f64)> {
    let mut ready = None;
    loop {
        let (mut stream, _) = listener.accept().await.map_err(BenchError::other)?;
        // A connection serves several requests.
        while let Some(line) = request(&mut stream).await? {
            if line.contains("/invocation/next") {
                ready = ready.or(Some(begun.elapsed().as_secs_f64()));
                let body = event(name).to_string();
                let head = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
                     lambda-runtime-aws-request-id: 8476a536-e9f4-11e8-9739-2dfe598c3fcd\r\n\
                     lambda-runtime-deadline-ms: 4000000000000\r\n\
                     lambda-runtime-invoked-function-arn: arn:aws:lambda:eu-west-1:000000000000:function:{name}\r\n\r\n",
                    body.len()
                );
                stream.write_all(format!("{head}{body}").as_bytes()).await.map_err(BenchError::other)?;
            } else if let Some(ready) = ready {
                if line.contains("/response") {
                    return Ok((ready, begun.elapsed().as_secs_f64()));
                }
                return Err(BenchError::other(format!("`{name}` answers {line}")));
            } else {
                return Err(BenchError::other(format!("`{name}` did not start: {line}")));
            }
        }
    }
}

/// The first line of the next request of a connection, whose body is read too; none at its end.
async fn request(stream: &mut TcpStream) -> Result<Option<String>> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let head = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end;
        }
        let read = stream.read(&mut buffer).await.map_err(BenchError::other)?;
        if read == 0 {
            return Ok(None);
        }
        bytes.extend(buffer.get(..read).unwrap_or_default());
    };
    let text = String::from_utf8_lossy(bytes.get(..head).unwrap_or_default()).into_owned();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        if name.eq_ignore_ascii_case("content-length") { value.trim().parse::<usize>().ok() } else { None }
    });
    let mut left = length.unwrap_or(0).saturating_sub(bytes.len() - head - 4);
    while left > 0 {
        let read = stream.read(&mut buffer).await.map_err(BenchError::other)?;
        if read == 0 {
            break;
        }
        left = left.saturating_sub(read);
    }
    Ok(text.lines().next().map(str::to_owned))
}
