//! The reference authority (`examples/authority`) as its vendor runs it: a program with its database and keys in a
//! folder.

use std::{
    env,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nodelock::PublicKey;
use serde_json::Value;

use super::{PRODUCT, Result};

/// A server on a port of its own on the loopback interface; it ends with this.
pub struct Server {
    program: PathBuf,
    directory: PathBuf,
    root: PublicKey,
    address: String,
    child: Option<Child>,
}

impl Server {
    /// Makes keys and a database, and starts to serve.
    pub fn start(directory: &Path) -> Result<Self> {
        let program = program()?;
        let made = run(&program, directory, &["init", "--product", PRODUCT])?;
        let root = text(&made, "root")?.parse()?;
        let directory = directory.to_owned();
        let mut server = Self { program, directory, root, address: "127.0.0.1:0".into(), child: None };
        server.start_again()?;
        Ok(server)
    }

    /// Serves at the same address as before.
    pub fn start_again(&mut self) -> Result<()> {
        let mut serve = command(&self.program, &self.directory, &["serve", "--listen", &self.address]);
        let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut line = String::new();
        // The address is the one line that it prints, once it listens.
        let listens = child.stdout.as_mut().map(|stdout| BufReader::new(stdout).read_line(&mut line));
        self.child = Some(child);
        listens.ok_or("its output is a pipe")??;
        self.address = line.trim().to_owned();
        if self.address.is_empty() { Err("the authority did not start".into()) } else { Ok(()) }
    }

    /// Ends it as a power failure would: what it answered is on the disk.
    pub fn stop(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// What applications embed.
    pub fn root(&self) -> PublicKey {
        self.root
    }

    /// Sells a license with three deactivations, because without them nothing given up is free for another machine;
    /// returns its key.
    pub fn sell(&self, seats: u32) -> Result<String> {
        let seats = seats.to_string();
        let terms = ["--seats", &seats, "--deactivations", "3"];
        let sold = self.run(&[&["license", "new", "--licensee", "Jane Doe"], &terms[..]].concat())?;
        Ok(text(&sold, "key")?.to_owned())
    }

    /// How many seats are taken, by the authority's own account.
    pub fn taken(&self) -> Result<u64> {
        let list = self.run(&["license", "list"])?;
        list["licenses"][0]["seats"]["taken"].as_u64().ok_or_else(|| "a license is listed".into())
    }

    /// What the vendor does beside the server.
    fn run(&self, arguments: &[&str]) -> Result<Value> {
        run(&self.program, &self.directory, arguments)
    }

    /// Fills in a form of the authority's pages as a browser does, and returns the page that comes of it.
    pub fn submit(&self, page: &str, field: &str, value: &str) -> Result<String> {
        const BOUNDARY: &str = "end-of-field";
        let body = format!(
            "--{BOUNDARY}\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n--{BOUNDARY}--\r\n"
        );
        let mut stream = TcpStream::connect(&self.address)?;
        write!(
            stream,
            "POST {page} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: multipart/form-data; boundary={BOUNDARY}\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        )?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if answer.starts_with("HTTP/1.1 200 ") { Ok(answer) } else { Err(answer.into()) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Where it has ended already there is nothing to end.
        let _ = self.stop();
    }
}

fn run(program: &Path, directory: &Path, arguments: &[&str]) -> Result<Value> {
    let output = command(program, directory, arguments).arg("--json").output()?;
    let said = serde_json::from_slice(&output.stdout)?;
    if output.status.success() { Ok(said) } else { Err(format!("authority {arguments:?}: {said}").into()) }
}

fn command(program: &Path, directory: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).arg("--dir").arg(directory).stdin(Stdio::null());
    command
}

/// The authority's program. It is another package's, so Cargo, which runs this example, is asked to build it. Without
/// Cargo it has to be there already: one folder above this program, where Cargo puts it.
fn program() -> Result<PathBuf> {
    let this = env::current_exe()?;
    let folder = this.parent().and_then(Path::parent).ok_or("an example is in a folder of Cargo's")?;
    let program = folder.join("authority").with_extension(env::consts::EXE_EXTENSION);
    if let Some(cargo) = env::var_os("CARGO") {
        if !program.exists() {
            println!("(Building the authority first, which takes a while.)");
        }
        let mut build = Command::new(cargo);
        // Along with this example, so that both share what is built for either.
        build.args(["build", "--quiet", "--example", "quickstart", "--bin", "authority", "--manifest-path"]);
        build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
        // They tell this program of its package. A build script that reads them would take them for a change, and run
        // again.
        for (name, _) in env::vars_os().filter(|(name, _)| {
            let name = name.to_string_lossy();
            name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
        }) {
            build.env_remove(name);
        }
        if folder.ends_with("release") {
            build.arg("--release");
        }
        if !build.status()?.success() {
            return Err("the authority was not built".into());
        }
    }
    if program.exists() { Ok(program) } else { Err(format!("{} is missing", program.display()).into()) }
}

fn text<'v>(said: &'v Value, member: &str) -> Result<&'v str> {
    said[member].as_str().ok_or_else(|| format!("the authority says `{member}`").into())
}
