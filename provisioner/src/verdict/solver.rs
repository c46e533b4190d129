//! A solver for questions about rules: `cvc5`, if it is there.

use std::process::Stdio;
use std::time::Duration;

use cedar_policy::{EntityTypeName, PolicySet, RequestEnv};
use cedar_policy_symcc::solver::LocalSolver;
use cedar_policy_symcc::{CedarSymCompiler, CompiledPolicySet, Env};
use domain::id::Name;
use domain::rules::compare::Theorem;

/// How long one question may take. Usual ones take a tenth of a second.
const PATIENCE: Duration = Duration::from_secs(10);
/// The solver stops by itself after [`PATIENCE`]; this is for one that does not.
const PATIENCE_WITH_IT: Duration = Duration::from_secs(15);

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SolverError {
    /// It is not there, or it is no solver.
    #[error("no solver: {0}")]
    Missing(String),
    /// It did not answer in time.
    #[error("the solver did not answer within {} s", PATIENCE_WITH_IT.as_secs())]
    Timeout,
    /// It could not be asked, does not know, or its answer could not be understood.
    #[error("the solver cannot tell: {0}")]
    Failed(String),
}

/// An answer.
#[derive(Debug)]
pub enum Answer {
    /// Always.
    Yes,
    /// Not in this case.
    No(Box<Env>),
}

/// A solver that is kept open. Its process ends with it.
pub struct Solver {
    compiler: CedarSymCompiler<LocalSolver>,
}

impl Solver {
    /// Starts the one that `CVC5` names, or `cvc5` of the path.
    ///
    /// # Errors
    /// [`SolverError::Missing`].
    pub fn start() -> Result<Self, SolverError> {
        Self::start_at(std::env::var_os("CVC5").unwrap_or_else(|| "cvc5".into()))
    }

    pub(super) fn start_at(program: impl AsRef<std::ffi::OsStr>) -> Result<Self, SolverError> {
        let missing = |error: &dyn std::fmt::Display| SolverError::Missing(error.to_string());
        let mut command = tokio::process::Command::new(program);
        command.args(["--lang", "smt", &format!("--tlimit-per={}", PATIENCE.as_millis())]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let solver = LocalSolver::from_command(&mut command).map_err(|error| missing(&error))?;
        let compiler = CedarSymCompiler::new(solver).map_err(|error| missing(&error))?;
        Ok(Self { compiler })
    }

    /// Whether everything that the first set permits is permitted by the second.
    ///
    /// # Errors
    /// If nobody knows. After [`SolverError::Timeout`] or [`SolverError::Failed`] this solver is not to be asked again:
    /// it may still be busy with the question.
    pub async fn implies(
        &mut self,
        theorem: &Theorem,
        data_type: &Name,
        (first, second): (&PolicySet, &PolicySet),
    ) -> Result<Answer, SolverError> {
        let failed = |error: &dyn std::fmt::Display| SolverError::Failed(error.to_string());
        let names = ["Group", data_type.as_str()].map(str::parse::<EntityTypeName>);
        let [Ok(principal), Ok(resource)] = names else {
            return Err(failed(&"a name that Cedar does not know"));
        };
        let action = r#"Action::"replicate""#.parse().map_err(|error| failed(&error))?;
        let env = RequestEnv::new(principal, action, resource);
        let compiled =
            |set| CompiledPolicySet::compile(set, &env, &theorem.schema).map_err(|error| failed(&error));
        let (first, second) = (compiled(first)?, compiled(second)?);
        let asked = self.compiler.check_implies_with_counterexample_opt(&first, &second);
        match tokio::time::timeout(PATIENCE_WITH_IT, asked).await {
            Err(_) => Err(SolverError::Timeout),
            Ok(Err(error)) => Err(failed(&error)),
            Ok(Ok(None)) => Ok(Answer::Yes),
            Ok(Ok(Some(case))) => Ok(Answer::No(Box::new(case))),
        }
    }
}
