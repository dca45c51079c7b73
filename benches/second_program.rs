//! The executable `flex-x86-v4`: Burn's Flex built for AVX-512, started by this program.
//!
//! Burn chooses AVX-512 when it is built, so one program cannot have Flex both ways. The protocol
//! is described in that program.

use std::fmt::Display;
use std::io::{self, BufRead, BufReader, Result, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

/// The environment variable that names the executable; empty for none.
pub const VARIABLE: &str = "SECATEUR_FLEX_X86_V4";

/// How to build it.
pub const HOW_TO_BUILD: &str =
    "cargo build --release --locked --manifest-path benches/flex-x86-v4/Cargo.toml";

/// A running `flex-x86-v4`.
#[derive(Debug)]
pub struct SecondProgram {
    child: Child,
    /// Closed before the child is waited for.
    requests: Option<ChildStdin>,
    replies: BufReader<ChildStdout>,
}

impl SecondProgram {
    /// The executable, where there is one: that of the environment variable, or one beside this
    /// program, or the one where it is built by default.
    #[must_use]
    pub fn find() -> Option<PathBuf> {
        if let Some(path) = std::env::var_os(VARIABLE) {
            return Some(path.into()).filter(|path: &PathBuf| !path.as_os_str().is_empty());
        }
        let name = format!("flex-x86-v4{}", std::env::consts::EXE_SUFFIX);
        let beside = std::env::current_exe().ok();
        let beside = beside.and_then(|exe| Some(exe.parent()?.join(&name)));
        let built = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("flex-x86-v4/target/release")
            .join(&name);
        beside
            .into_iter()
            .chain([built])
            .find(|path| path.is_file())
    }

    /// Starts the executable with a number of threads.
    ///
    /// # Errors
    ///
    /// Where the system cannot.
    pub fn start(executable: &Path, threads: usize) -> Result<Self> {
        Self::spawn(Command::new(executable).arg(threads.to_string()))
    }

    fn spawn(command: &mut Command) -> Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let (Some(requests), Some(replies)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failure("it has no input or no output".to_owned()));
        };
        Ok(Self {
            child,
            requests: Some(requests),
            replies: BufReader::new(replies),
        })
    }

    /// Gives it something to be timed, a line in words.
    ///
    /// # Errors
    ///
    /// Where it refuses, or has ended.
    pub fn prepare(&mut self, work: impl Display) -> Result<()> {
        match self.ask(&work.to_string())?.as_str() {
            "ready" => Ok(()),
            other => Err(failure(format!("to `{work}` it says `{other}`"))),
        }
    }

    /// Milliseconds of a call, from a sample taken now.
    ///
    /// # Errors
    ///
    /// Where it answers with no time, or has ended.
    pub fn sample(&mut self) -> Result<f64> {
        let reply = self.ask("sample")?;
        let ms = reply.parse().ok().filter(|ms: &f64| ms.is_finite());
        ms.ok_or_else(|| failure(format!("it answers `{reply}`, no time")))
    }

    fn ask(&mut self, request: &str) -> Result<String> {
        let mut reply = String::new();
        let asked = match &mut self.requests {
            Some(requests) => writeln!(requests, "{request}").and_then(|()| requests.flush()),
            None => Ok(()),
        };
        let answered = asked.and_then(|()| self.replies.read_line(&mut reply));
        match answered {
            Ok(1..) => Ok(reply.trim().to_owned()),
            Ok(0) => Err(failure(format!("it ended at `{request}`"))),
            Err(error) => Err(failure(error.to_string())),
        }
    }
}

impl Drop for SecondProgram {
    fn drop(&mut self) {
        // It ends at the end of its input.
        self.requests = None;
        let _ = self.child.wait();
    }
}

fn failure(why: String) -> io::Error {
    io::Error::other(format!("flex-x86-v4: {why}"))
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    /// A shell script in its place. It is no file: one that has just been written cannot be
    /// executed while a child of another test, forked meanwhile, still holds it open.
    fn stand_in(script: &str) -> SecondProgram {
        SecondProgram::spawn(Command::new("sh").args(["-c", script, "stand-in", "1"])).unwrap()
    }

    const WORK: &str = "work product 2 3 4";

    #[test]
    fn it_is_asked_line_by_line() {
        let script = "read work; echo ready; read s; echo 0.25; read s; echo \"$1 $work\"";
        let mut program = stand_in(script);
        program.prepare(WORK).unwrap();
        assert_eq!(program.sample().unwrap(), 0.25);
        let message = program.sample().unwrap_err().to_string();
        assert!(
            message.contains("`1 work product 2 3 4`, no time"),
            "{message}"
        );
    }

    #[test]
    fn its_end_and_its_refusal_are_errors() {
        let mut silent = stand_in("read work");
        let message = silent.prepare(WORK).unwrap_err().to_string();
        assert!(message.contains("it ended"), "{message}");
        drop(silent);
        let mut refusing = stand_in("read work; echo error no such work");
        let message = refusing.prepare(WORK).unwrap_err().to_string();
        assert!(message.contains("error no such work"), "{message}");
        assert!(SecondProgram::start(Path::new("/no/such/program"), 1).is_err());
    }
}
