//! Questions to whoever sits at the terminal, who may also answer by Ctrl-C.

use std::io::BufRead;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};

use super::Printer;

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A line.
    Line(String),
    /// Nobody can be asked.
    Nobody,
    /// Whoever was asked wants to stop.
    Stop,
}

/// Where the answer to the question that is open now goes.
#[derive(Debug, Default)]
pub(super) struct Open(Mutex<Option<Sender<Answer>>>);

impl Open {
    fn set(&self, to: Option<Sender<Answer>>) -> Option<Sender<Answer>> {
        std::mem::replace(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner), to)
    }

    /// Waits for a line, or for [`Open::stop`]. What reads the line is left to itself then: nothing can end it, and the
    /// process is about to.
    fn wait(&self, read: impl FnOnce() -> String + Send + 'static) -> Answer {
        let (tell, told) = channel();
        self.set(Some(tell.clone()));
        // It fails only if nobody waits any more.
        std::thread::spawn(move || drop(tell.send(Answer::Line(read()))));
        let answer = told.recv().unwrap_or(Answer::Nobody);
        self.set(None);
        answer
    }

    fn stop(&self) -> bool {
        self.set(None).is_some_and(|to| to.send(Answer::Stop).is_ok())
    }
}

impl Printer {
    /// Asks and waits for a line. The end of the input is an empty one.
    pub fn ask(&self, question: &str) -> Answer {
        if !self.interactive {
            return Answer::Nobody;
        }
        self.print(&self.err, &format!("{} ", self.err_style.bold(question)));
        let answer = self.question.wait(|| {
            let mut line = String::new();
            // What was read before a failure is no answer.
            let read = std::io::stdin().lock().read_line(&mut line);
            if read.is_ok() { line.trim().to_owned() } else { String::new() }
        });
        if answer == Answer::Stop {
            // The terminal has shown `^C` in the line of the question.
            self.print(&self.err, "\n");
        }
        answer
    }

    /// Ends a question without an answer; says whether there was one.
    pub fn stop_asking(&self) -> bool {
        self.question.stop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_ends_with_its_answer_or_when_somebody_wants_to_stop() {
        let open = Open::default();
        assert!(!open.stop(), "nothing was asked");
        assert_eq!(open.wait(|| "yes".to_owned()), Answer::Line("yes".to_owned()));
        assert!(!open.stop(), "it was answered");
        let (keep, blocked) = channel::<String>();
        let stopped = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !open.stop() {
                    std::thread::yield_now();
                }
            });
            open.wait(move || blocked.recv().unwrap_or_default())
        });
        assert_eq!(stopped, Answer::Stop);
        drop(keep);
    }
}
