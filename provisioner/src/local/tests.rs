mod durability;

use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Mutex;

use super::*;

fn quiet(_: &str) {}

fn options(dir: &Path) -> LocalOptions {
    LocalOptions { port: Some(0), owner: Lifetime::WithParent, ..LocalOptions::new(dir) }
}

fn settings() -> Settings {
    Settings { port: None, ..Settings::from_env() }
}

/// A stand-in for Python: a script that answers the version probe, makes "environments" that hold itself, and does
/// as told for pip and for the emulator.
fn fake_python(dir: &Path, probe: &str, pip: &str, emulator: &str) -> Settings {
    let path = dir.join("python");
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n-c*) {probe} ;;\n-m\\ venv*) mkdir -p \"$3/bin\" && cp \"$0\" \"$3/bin/python\" ;;\n\
         -m\\ pip*) {pip} ;;\n*) {emulator} ;;\nesac\n"
    );
    std::fs::write(&path, script).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let python = PythonSettings { python: Some(path), venv_dir: Some(dir.join("venvs")) };
    Settings { python, port: None, patience: Duration::from_secs(1) }
}

async fn refusal(settings: &Settings, dir: &Path) -> (&'static str, String) {
    let error = ensure_with(settings, &options(dir), &quiet).await.unwrap_err();
    (error.code(), error.to_string())
}

#[tokio::test]
async fn no_python_is_said_so() {
    let dir = tempfile::tempdir().unwrap();
    let python = PythonSettings { python: Some(dir.path().join("none")), venv_dir: Some(dir.path().into()) };
    let (code, text) = refusal(&Settings { python, ..settings() }, dir.path()).await;
    assert!(code == "FH0501" && text.contains("none`") && text.contains("FREEHOLD_PYTHON"), "{text}");
}

#[tokio::test]
async fn an_old_python_is_named_with_its_version() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = refusal(&fake_python(dir.path(), "echo 3.9", "", ""), dir.path()).await;
    assert!(code == "FH0501" && text.contains("Python 3.9, and 3.10 or newer"), "{text}");
}

#[tokio::test]
async fn a_python_without_venv_names_the_package() {
    let dir = tempfile::tempdir().unwrap();
    let (code, text) = refusal(&fake_python(dir.path(), "echo 3.12; exit 1", "", ""), dir.path()).await;
    assert!(code == "FH0501" && text.contains("python3-venv"), "{text}");
}

#[tokio::test]
async fn a_first_install_without_network_shows_what_pip_said() {
    let dir = tempfile::tempdir().unwrap();
    let pip = "echo 'Collecting ministack'; echo 'NewConnectionError: nobody there' >&2; exit 1";
    let (code, text) = refusal(&fake_python(dir.path(), "echo 3.12", pip, ""), dir.path()).await;
    assert!(code == "FH0502" && text.contains("needs a network") && text.contains("nobody there"), "{text}");
}

#[tokio::test]
async fn an_interrupted_install_is_done_again() {
    let dir = tempfile::tempdir().unwrap();
    let broken =
        fake_python(dir.path(), "echo 3.12", "echo 'THESE PACKAGES DO NOT MATCH THE HASHES'; exit 1", "");
    let (code, text) = refusal(&broken, dir.path()).await;
    assert!(code == "FH0502" && text.contains("DO NOT MATCH"), "{text}");
    let whole = fake_python(dir.path(), "echo 3.12", "exit 0", "");
    python::ensure(&whole.python, process::PACKAGES, &quiet).await.unwrap();
}

#[tokio::test]
async fn an_emulator_that_dies_leaves_its_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let fake = fake_python(dir.path(), "echo 3.12", "exit 0", "echo 'no such module' >&2; exit 3");
    let (code, text) = refusal(&fake, dir.path()).await;
    assert!(code == "FH0504" && text.contains("no such module"), "{text}");
}

#[tokio::test]
async fn an_emulator_that_never_answers_is_given_up() {
    let dir = tempfile::tempdir().unwrap();
    let fake = fake_python(dir.path(), "echo 3.12", "exit 0", "echo thinking; exec sleep 60");
    let (code, text) = refusal(&fake, dir.path()).await;
    assert!(code == "FH0505" && text.contains("thinking"), "{text}");
}

#[tokio::test]
async fn a_taken_port_says_by_whom_and_how_to_choose_another() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let options = LocalOptions { port: Some(port), ..options(dir.path()) };
    let error = ensure_with(&settings(), &options, &quiet).await.unwrap_err();
    let text = error.to_string();
    assert!(error.code() == "FH0503" && text.contains("FREEHOLD_LOCAL_PORT"), "{text}");
    if cfg!(target_os = "linux") {
        assert!(text.contains(&format!("process {}", std::process::id())), "{text}");
    }
}

#[test]
fn a_port_comes_from_the_caller_then_the_environment() {
    assert_eq!(port::wanted(Some(1), Some("2")).unwrap(), Some(1));
    assert_eq!(port::wanted(None, Some("2")).unwrap(), Some(2));
    assert_eq!(port::wanted(None, Some("")).unwrap(), None);
    assert_eq!(port::wanted(None, Some("http")).unwrap_err().code(), "FH0503");
}

#[tokio::test]
async fn it_starts_once_and_stops_and_resets() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let news = Mutex::new(Vec::new());
    let note = |line: &str| news.lock().unwrap().push(line.to_owned());
    let settings = settings();
    let (one, two) =
        tokio::join!(ensure_with(&settings, &options, &note), ensure_with(&settings, &options, &note));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!((one.pid, one.port), (two.pid, two.port));
    assert!(one.fresh != two.fresh, "one of them started it: {:?}", news.lock().unwrap());
    let Status::Running { pid, healthy: true, enforce_iam: true, .. } = status(&options).await else {
        panic!("it should run")
    };
    assert_eq!(pid, one.pid);
    assert!(stop(&options).await.unwrap());
    assert_eq!(status(&options).await, Status::Stopped);
    assert!(!stop(&options).await.unwrap());
    assert!(dir.path().join(".freehold/emulator/state/tables-2.snapshot").exists());
    assert!(!reset(&options).await.unwrap());
    assert!(!dir.path().join(".freehold/emulator/state").exists());
}

#[tokio::test]
async fn an_emulator_of_the_parent_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(dir.path());
    let running = ensure_with(&settings(), &options, &quiet).await.unwrap();
    drop(running);
    while status(&options).await != Status::Stopped {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_detached_emulator_stays_and_other_settings_restart_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = LocalOptions { owner: Lifetime::Detached, ..options(dir.path()) };
    let first = ensure_with(&settings(), &options, &quiet).await.unwrap();
    let (pid, port) = (first.pid, first.port);
    drop(first);
    let again = ensure_with(&settings(), &LocalOptions { port: None, ..options.clone() }, &quiet).await;
    let open =
        ensure_with(&settings(), &LocalOptions { enforce_iam: false, port: None, ..options.clone() }, &quiet)
            .await;
    stop(&options).await.unwrap();
    let (again, open) = (again.unwrap(), open.unwrap());
    assert_eq!((again.pid, again.port, again.fresh), (pid, port, false));
    assert!(open.fresh && open.port == port && open.pid != pid);
}
