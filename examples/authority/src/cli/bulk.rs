//! Many seats taken back at once, from a file of any length.
//!
//! Many proofs share a transaction, so that they share its wait for the disk. What each came to is written after that
//! transaction is durable; whatever interrupts it, the same input again gets the same receipts.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Read, Write},
    path::Path,
};

use nodelock::{
    Error, ErrorKind, MAX_INPUT,
    code::{Correction, DeactivationCode, Reading},
};
use serde_json::{Map, Value, json};

use super::output::Report;
use crate::{
    domain::Occasion,
    failure::{Failure, Result},
    service::{Redeemed, Service},
};

/// How many items share a transaction: enough for the wait for the disk to be a small part of it, and few enough for
/// other writers not to wait for long.
const TOGETHER: usize = 500;

// The letters of the lines that blocks begin and end with, whatever stands between and around them.
const BEGIN: &[u8] = b"BEGINNODELOCK";
const END: &[u8] = b"ENDNODELOCK";
/// A cancelled request follows its proof and belongs to it.
const BEGIN_REQUEST: &[u8] = b"BEGINNODELOCKACTIVATIONREQUEST";

/// The letters and digits of a line.
fn letters(line: &[u8]) -> Vec<u8> {
    line.iter().filter(|byte| byte.is_ascii_alphanumeric()).map(u8::to_ascii_uppercase).collect()
}

/// Takes back every seat that `input` names, and writes a line of JSON about each to `out`.
pub(crate) async fn redeem_all(
    input: Box<dyn Read>,
    out: &Path,
    service: &Service,
    occasion: &Occasion,
) -> Result<Report> {
    let failed = |error| Error::io(out.display().to_string(), error);
    // Never over what is there: it may be the input, or the receipts of an earlier run.
    let mut lines = BufWriter::new(File::create_new(out).map_err(failed)?);
    let mut items = BulkItems::new(BufReader::new(input));
    let mut tally = Tally::default();
    loop {
        let batch: Vec<BulkItem> = items.by_ref().take(TOGETHER).collect::<Result<_>>()?;
        if batch.is_empty() {
            break;
        }
        for outcome in redeem(batch, service, occasion).await? {
            writeln!(lines, "{}", tally.count(outcome)).map_err(failed)?;
        }
        lines.flush().map_err(failed)?;
        service.make_way().await;
    }
    lines.get_ref().sync_all().map_err(failed)?;
    Ok(tally.report(out))
}

/// The line of an item, and what came of it.
type Redemption = (u64, Result<(Redeemed, Option<Reading<DeactivationCode>>)>);

/// What came of each item, in order.
///
/// Fails when the database does: that is no outcome, and the same again in another run has the same receipts.
async fn redeem(batch: Vec<BulkItem>, service: &Service, occasion: &Occasion) -> Result<Vec<Redemption>> {
    let (mut lines, mut list) = (Vec::new(), Vec::new());
    for item in batch {
        let read = match item.content {
            Ok(content) => service.read(content).await.and_then(|read| Ok(read.deactivation()?)),
            Err(kind) => Err(Failure::rule(kind, format!("the line is no deactivation: {kind}"))),
        };
        let refused = read.map(|deactivation| list.push(deactivation)).err();
        lines.push((item.line, refused));
    }
    let mut redeemed = service.redeem_together(&list, occasion).await?.into_iter();
    let outcomes = lines.into_iter().map(|(line, refused)| {
        let outcome = match refused {
            Some(failure) => Err(failure),
            None => redeemed.next().expect("there is one for each that was read"),
        };
        (line, outcome)
    });
    Ok(outcomes.collect())
}

/// How often each outcome came up.
#[derive(Default)]
struct Tally {
    by_outcome: Map<String, Value>,
    refused: u64,
}

impl Tally {
    /// Counts an outcome, and puts it into JSON.
    fn count(&mut self, (line, outcome): Redemption) -> Value {
        let (name, value) = match outcome {
            Ok((redeemed, reading)) => {
                let corrections = reading.map(|reading| reading.corrections).unwrap_or_default();
                let mended: Vec<String> = corrections.iter().map(Correction::to_string).collect();
                let receipt = redeemed.receipt().map(|receipt| receipt.to_base64url());
                self.refused += u64::from(matches!(redeemed, Redeemed::Kept(_)));
                let name = redeemed.outcome();
                let handle = redeemed.handle().to_string();
                let value = json!({
                    "line": line, "outcome": name, "handle": handle, "receipt": receipt, "mended": mended,
                });
                (name.to_owned(), value)
            }
            Err(failure) => {
                self.refused += 1;
                let value = json!({ "line": line, "error": failure.name(), "message": failure.message() });
                (failure.name(), value)
            }
        };
        let count = self.by_outcome.entry(name).or_insert(0.into());
        *count = (count.as_u64().unwrap_or(0) + 1).into();
        value
    }

    fn report(self, out: &Path) -> Report {
        let counts: Vec<String> =
            self.by_outcome.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let words = match counts.is_empty() {
            true => "Nothing was there to redeem.\n".to_owned(),
            false => {
                format!("Redeemed: {}. Each with its receipt in {}.\n", counts.join(", "), out.display())
            }
        };
        let report = Report::new(words, json!({ "outcomes": self.by_outcome }));
        if self.refused == 0 { report } else { report.with_failure(Failure::NotAllRedeemed(self.refused)) }
    }
}

/// Something to redeem, and the line that it begins on.
struct BulkItem {
    line: u64,
    /// As it stands there, or why that was not looked at.
    content: Result<Vec<u8>, ErrorKind>,
}

/// Takes a file apart into lines and armored blocks, of which it holds one at a time.
struct BulkItems<R> {
    lines: Lines<R>,
    /// Lines that were looked at and are still to come.
    ahead: VecDeque<Line>,
}

type Line = (u64, Result<Vec<u8>, ErrorKind>);

impl<R: BufRead> BulkItems<R> {
    fn new(source: R) -> Self {
        Self { lines: Lines { source, number: 0 }, ahead: VecDeque::new() }
    }

    fn next_line(&mut self) -> Result<Option<Line>> {
        match self.ahead.pop_front() {
            Some(line) => Ok(Some(line)),
            None => self.lines.next().transpose(),
        }
    }

    /// Whether a line that begins like this comes next.
    fn comes(&mut self, start: &[u8]) -> Result<bool> {
        if self.ahead.is_empty() {
            self.ahead.extend(self.lines.next().transpose()?);
        }
        Ok(matches!(self.ahead.front(), Some((_, Ok(line))) if letters(line).starts_with(start)))
    }

    fn pass_over_empty_lines(&mut self) -> Result<()> {
        while let Some(line) = self.next_line()? {
            if !matches!(&line, (_, Ok(line)) if line.is_empty()) {
                self.ahead.push_front(line);
                break;
            }
        }
        Ok(())
    }

    /// The armored block whose first line comes next. Of one that does not end, only that first line counts, so that
    /// it takes nothing along that stands behind it.
    fn block(&mut self) -> Result<Result<Vec<u8>, ErrorKind>> {
        let (mut block, mut taken) = (Vec::new(), VecDeque::new());
        while let Some((number, line)) = self.next_line()? {
            let fits = line.as_ref().is_ok_and(|line| {
                let is_other = !taken.is_empty() && letters(line).starts_with(BEGIN);
                !is_other && block.len() + line.len() < MAX_INPUT
            });
            if !fits {
                self.ahead.push_front((number, line));
                break;
            }
            let Ok(line) = line else { break };
            let is_end = letters(&line).windows(END.len()).any(|letters| letters == END);
            block.extend_from_slice(&line);
            block.push(b'\n');
            if is_end {
                return Ok(Ok(block));
            }
            taken.push_back((number, Ok(line)));
        }
        taken.pop_front();
        while let Some(line) = taken.pop_back() {
            self.ahead.push_front(line);
        }
        Ok(Err(ErrorKind::Malformed))
    }

    fn item(&mut self) -> Result<Option<BulkItem>> {
        self.pass_over_empty_lines()?;
        if !self.comes(BEGIN)? {
            return Ok(self.next_line()?.map(|(line, content)| BulkItem { line, content }));
        }
        let line = self.ahead.front().map_or(0, |(line, _)| *line);
        let mut content = self.block()?;
        self.pass_over_empty_lines()?;
        while self.comes(BEGIN_REQUEST)? {
            let request = self.block()?;
            content = match (content, request) {
                (Ok(proof), Ok(request)) if proof.len() + request.len() <= MAX_INPUT => {
                    Ok([proof, request].concat())
                }
                (Ok(_), Ok(_)) => Err(ErrorKind::TooLarge),
                (Err(kind), _) | (_, Err(kind)) => Err(kind),
            };
            self.pass_over_empty_lines()?;
        }
        Ok(Some(BulkItem { line, content }))
    }
}

impl<R: BufRead> Iterator for BulkItems<R> {
    type Item = Result<BulkItem>;

    fn next(&mut self) -> Option<Self::Item> {
        self.item().transpose()
    }
}

/// The lines of a file, with their numbers and without what surrounds them. One that is longer than anything that is
/// looked at is passed over in pieces.
struct Lines<R> {
    source: R,
    number: u64,
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<Line>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut line = Vec::new();
        self.number += 1;
        let mut read = || -> io::Result<Option<Result<Vec<u8>, ErrorKind>>> {
            if self.source.by_ref().take(MAX_INPUT as u64 + 1).read_until(b'\n', &mut line)? == 0 {
                return Ok(None);
            }
            if line.len() <= MAX_INPUT {
                return Ok(Some(Ok(line.trim_ascii().to_vec())));
            }
            while line.last() != Some(&b'\n') {
                line.clear();
                if self.source.by_ref().take(MAX_INPUT as u64).read_until(b'\n', &mut line)? == 0 {
                    break;
                }
            }
            Ok(Some(Err(ErrorKind::TooLarge)))
        };
        match read() {
            Ok(line) => Some(Ok((self.number, line?))),
            Err(error) => Some(Err(Error::io("the input", error).into())),
        }
    }
}
