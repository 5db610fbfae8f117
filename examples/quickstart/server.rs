//! The reference authority (`examples/authority`) as its vendor runs it: a program with its database and keys in a folder.

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
    directory: PathBuf,
    root: PublicKey,
    address: String,
    child: Option<Child>,
}

impl Server {
    /// Makes keys and a database, and starts to serve.
    pub fn start(directory: &Path) -> Result<Self> {
        let made = run(directory, &["init", "--product", PRODUCT])?;
        let root = text(&made, "root")?.parse()?;
        let mut server =
            Self { directory: directory.to_owned(), root, address: "127.0.0.1:0".into(), child: None };
        server.start_again()?;
        Ok(server)
    }

    /// Serves at the same address as before.
    pub fn start_again(&mut self) -> Result<()> {
        let mut serve = command(&self.directory, &["serve", "--listen", &self.address])?;
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

    /// Sells a license; returns its key.
    pub fn sell(&self, seats: u32) -> Result<String> {
        let seats = seats.to_string();
        let sold = run(&self.directory, &["license", "new", "--licensee", "Jane Doe", "--seats", &seats])?;
        Ok(text(&sold, "key")?.to_owned())
    }

    /// How many seats are taken, by the authority's own account.
    pub fn taken(&self) -> Result<u64> {
        let list = run(&self.directory, &["license", "list"])?;
        list["licenses"][0]["seats"]["taken"].as_u64().ok_or_else(|| "a license is listed".into())
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

/// What the vendor does beside the server.
fn run(directory: &Path, arguments: &[&str]) -> Result<Value> {
    let output = command(directory, arguments)?.arg("--json").output()?;
    let said = serde_json::from_slice(&output.stdout)?;
    if output.status.success() { Ok(said) } else { Err(format!("authority {arguments:?}: {said}").into()) }
}

fn command(directory: &Path, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(program()?);
    command.args(arguments).arg("--dir").arg(directory).stdin(Stdio::null());
    Ok(command)
}

/// The authority's program, beside this one. Cargo builds just the example that it is asked to run, so that it may have to be
/// asked for the other one.
fn program() -> Result<PathBuf> {
    let this = env::current_exe()?;
    let program = this.with_file_name(format!("authority{}", env::consts::EXE_SUFFIX));
    if program.exists() {
        return Ok(program);
    }
    let missing = || format!("{} is missing: run `cargo build --example authority` first", program.display());
    let cargo = env::var_os("CARGO").ok_or_else(missing)?;
    println!("(Building the authority first, which takes a while.)");
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--example", "authority", "--manifest-path"]);
    build.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"));
    if this.parent().and_then(Path::parent).is_some_and(|profile| profile.ends_with("release")) {
        build.arg("--release");
    }
    if build.status()?.success() && program.exists() { Ok(program) } else { Err(missing().into()) }
}

fn text<'v>(said: &'v Value, member: &str) -> Result<&'v str> {
    said[member].as_str().ok_or_else(|| format!("the authority says `{member}`").into())
}
