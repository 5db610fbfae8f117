//! Mails to customers, by a program of the operator's that takes one on its standard input, as sendmail does.
//!
//! No shell reads anything, and nothing of a mail is in an argument. The program gets little of the server's
//! environment, which may hold keys and passwords. What it prints goes nowhere: it may repeat a license key.

use std::{
    ffi::OsString,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use tokio::{
    io::AsyncWriteExt as _,
    process::{Child, Command},
    time::timeout,
};
use zeroize::Zeroizing;

use crate::service::{self, Sent};

/// How long a program may take. It is ended then, and what it began.
const PATIENCE: Duration = Duration::from_secs(30);
/// What of the environment a program gets.
const VARIABLES: [&str; 10] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TZ", "TMPDIR", "SystemRoot", "TEMP"];

/// What takes mails to where they go.
pub(crate) struct Mailer {
    program: PathBuf,
    arguments: Vec<OsString>,
    patience: Duration,
}

impl Mailer {
    pub(crate) fn new(program: PathBuf, arguments: Vec<OsString>) -> Self {
        Self { program, arguments, patience: PATIENCE }
    }

    async fn run(&self, mail: &[u8]) -> io::Result<Sent> {
        let mut command = Command::new(&self.program);
        let variables = VARIABLES.into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
        command.args(&self.arguments).env_clear().envs(variables);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        #[cfg(unix)]
        command.process_group(0);
        let mut program = Running::new(command.spawn()?);
        let mut input = program.child.stdin.take();
        let write = async {
            if let Some(input) = &mut input {
                input.write_all(mail).await?;
            }
            // The end of the mail is the end of the input.
            drop(input.take());
            io::Result::Ok(())
        };
        let (written, ended) = tokio::join!(write, program.child.wait());
        let ended = ended?;
        program.has_ended();
        Ok(match (ended.code(), written) {
            (Some(0), Err(_)) => Sent::Failed("the program ended before it had read the mail".into()),
            (Some(code), _) => Sent::Ended(code),
            (None, _) => Sent::Failed(by_signal(ended)),
        })
    }
}

impl service::Mailer for Mailer {
    async fn send(&self, mail: Zeroizing<Vec<u8>>) -> Sent {
        match timeout(self.patience, self.run(&mail)).await {
            Ok(Ok(sent)) => sent,
            Ok(Err(error)) => Sent::Failed(format!("the program cannot be run: {}", error.kind())),
            Err(_) => {
                Sent::Failed(format!("the program did not end within {} seconds", self.patience.as_secs()))
            }
        }
    }
}

#[cfg(unix)]
fn by_signal(ended: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt as _;
    let signal = ended.signal().map_or_else(|| "a signal".to_owned(), |signal| format!("signal {signal}"));
    format!("the program was ended by {signal}")
}

#[cfg(not(unix))]
fn by_signal(_: ExitStatus) -> String {
    "the program was ended".to_owned()
}

/// A program at work. It ends with this, and on Unix what it began, unless it ended by itself.
struct Running {
    child: Child,
    #[cfg(unix)]
    group: Option<rustix::process::Pid>,
}

impl Running {
    fn new(child: Child) -> Self {
        Self {
            #[cfg(unix)]
            group: child.id().and_then(|id| rustix::process::Pid::from_raw(id.try_into().ok()?)),
            child,
        }
    }

    fn has_ended(&mut self) {
        #[cfg(unix)]
        {
            self.group = None;
        }
    }
}

#[cfg(unix)]
impl Drop for Running {
    fn drop(&mut self) {
        if let Some(group) = self.group {
            // It has not been waited for, or left others behind, so its number is nobody else's.
            let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::{fs, path::Path};

    use super::*;
    use crate::service::Mailer as _;

    /// Runs a script with a mail.
    async fn sent(script: &str, arguments: &[&str], patience: Duration) -> Sent {
        let arguments = ["-c", script, "sh"].iter().chain(arguments).map(OsString::from).collect();
        let mailer = Mailer { program: "/bin/sh".into(), arguments, patience };
        mailer.send(Zeroizing::new(b"Subject: x\r\n\r\ntext\r\n".to_vec())).await
    }

    const LONG: Duration = Duration::from_secs(60);

    #[tokio::test]
    async fn a_program_gets_the_mail_its_arguments_and_nothing_of_the_servers_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("came");
        let script = "cat > \"$1\"; printf '%s|' \"$2\" >> \"$1\"; env >> \"$1\"";
        let argument = "$(touch /tmp/never); 'x' *";
        let arguments = [file.to_str().unwrap(), argument];
        assert_eq!(sent(script, &arguments, LONG).await, Sent::Ended(0));
        let came = fs::read_to_string(file).unwrap();
        assert!(came.starts_with(&format!("Subject: x\r\n\r\ntext\r\n{argument}|")), "{came}");
        assert!(came.contains("PATH=") && !came.contains("CARGO"), "{came}");
    }

    #[tokio::test]
    async fn what_becomes_of_a_program_is_told() {
        for code in [0, 1, 65, 67, 75, 255] {
            assert_eq!(sent(&format!("cat > /dev/null; exit {code}"), &[], LONG).await, Sent::Ended(code));
        }
        let failed = |why: &str| Sent::Failed(why.to_owned());
        assert_eq!(sent("kill -9 $$", &[], LONG).await, failed("the program was ended by signal 9"));
        // What it prints is read by nobody, and does not hold it up.
        let prints = "cat > /dev/null; head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2";
        assert_eq!(sent(prints, &[], LONG).await, Sent::Ended(0));
        let missing = Mailer::new("/there/is/none".into(), Vec::new());
        let sent = missing.send(Zeroizing::new(Vec::new())).await;
        assert_eq!(sent, failed("the program cannot be run: entity not found"));
    }

    #[tokio::test]
    async fn a_mail_that_was_not_read_was_not_sent() {
        // More than any pipe holds.
        let mailer = Mailer::new("/bin/sh".into(), ["-c", "exit 0"].map(OsString::from).to_vec());
        let sent = mailer.send(Zeroizing::new(vec![b'x'; 4 << 20])).await;
        assert_eq!(sent, Sent::Failed("the program ended before it had read the mail".into()));
    }

    #[tokio::test]
    async fn a_program_that_hangs_is_ended_with_what_it_began() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("begun");
        let script = "sleep 1000 & echo $! > \"$1.new\"; mv \"$1.new\" \"$1\"; wait";
        // It is ended once it has said what it began, however slow the machine is.
        let arguments = [file.to_str().unwrap()];
        let sending = sent(script, &arguments, LONG);
        let begun = tokio::select! {
            sent = sending => panic!("{sent:?}"),
            begun = said(&file) => begun,
        };
        let stat = format!("/proc/{}/stat", begun.trim());
        let is_over = || fs::read_to_string(&stat).map_or(true, |stat| stat.contains(") Z "));
        while cfg!(target_os = "linux") && !is_over() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let hung = sent("sleep 1000", &[], Duration::from_millis(1)).await;
        assert_eq!(hung, Sent::Failed("the program did not end within 0 seconds".into()));
    }

    async fn said(file: &Path) -> String {
        loop {
            match fs::read_to_string(file) {
                Ok(said) => return said,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}
