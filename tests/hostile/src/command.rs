//! The command line, in this process, for a world's stack.

use std::io::Write;
use std::sync::{Arc, Mutex};

use provision::aws::Network;
use provision::cli::{Around, run_in};
use provision::engine::{Interrupt, InterruptHandle};
use provision::render::Printer;
use serde_json::Value;

use crate::world::World;

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: i32,
    /// What it wrote to stdout.
    pub out: String,
    /// What it wrote to stderr.
    pub err: String,
}

impl Ended {
    /// Its stdout, which is one JSON document and nothing else.
    #[track_caller]
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:#?}"))
    }
}

#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Vec<u8>>>);

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Pipe {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl World {
    /// Runs `provision` with these arguments for this stack.
    pub async fn command(&self, args: &[&str]) -> Ended {
        self.command_until(args, Interrupt::new()).await
    }

    /// Like [`World::command`], and stops when it is asked to.
    pub async fn command_until(&self, args: &[&str], interrupt: (InterruptHandle, Interrupt)) -> Ended {
        let (out, err) = (Pipe::default(), Pipe::default());
        let file = self.file().display().to_string();
        let all = ["provision"].iter().chain(args).copied().chain(["--file", &file, "--region", self.region]);
        let around = Around {
            network: Some(Network(self.aws.network())),
            functions: self.options().functions,
            interrupt: Some(interrupt),
        };
        let printer = |look| Printer::to(look, Box::new(out.clone()), Box::new(err.clone()));
        let code = run_in(all.map(Into::into), around, printer).await;
        Ended { code, out: out.text(), err: err.text() }
    }
}
