//! What must hold in a random run, by what the devices can use and by what the test itself did. The ledger is read for
//! the states of seats and the ends of their licenses, and none of its counters is believed.

use std::collections::{BTreeMap, BTreeSet};

use super::script::{DAY, HOUR, Sold};

/// By how much a device's clock may be wrong.
const TOLERANCE: u64 = 26 * HOUR;
/// How long a device must be silent before its seat may be named.
const SILENT: u64 = 7 * DAY;

/// What must never be.
pub type Kept<T = ()> = Result<T, String>;

pub fn must(kept: bool, what: impl FnOnce() -> String) -> Kept {
    if kept { Ok(()) } else { Err(what()) }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Active,
    Held,
    Replaced,
    Returned,
    Cancelled,
    Revoked,
}

impl State {
    pub fn named(name: &str) -> Self {
        match name {
            "active" => Self::Active,
            "held" => Self::Held,
            "replaced" => Self::Replaced,
            "returned" => Self::Returned,
            "cancelled" => Self::Cancelled,
            "revoked" => Self::Revoked,
            other => panic!("a state {other}"),
        }
    }

    fn is_taken(self) -> bool {
        matches!(self, Self::Active | Self::Held)
    }
}

/// A seat in the ledger.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub handle: u32,
    pub state: State,
    /// Whether giving it up used up a deactivation.
    pub counted: bool,
    pub lapsed: bool,
    /// When the last license that was signed for it ends.
    pub ends: u64,
}

/// A store whose license a check accepts.
#[derive(Clone, Copy, Debug)]
pub struct Usable {
    pub handle: u32,
    pub computer: usize,
}

/// What the test knows of an activation.
struct Known {
    computer: usize,
    /// When it was asked for, by the device's clock.
    asked: u64,
    /// When the authority surely heard of the device.
    heard: u64,
}

/// One license, and what is promised of it.
pub struct Promise {
    sold: Sold,
    began: u64,
    most_seats: usize,
    /// Those that counted when the number of seats was lowered, less those that do not any more.
    lowered: usize,
    longest_lease: u64,
    known: BTreeMap<u32, Known>,
    rows: BTreeMap<u32, Row>,
    /// Seats that were replaced or revoked, and since when: their licenses may be used until they end.
    over: BTreeMap<u32, u64>,
    /// Seats that took the place of another one of their computer.
    joined: BTreeSet<u32>,
    released: BTreeSet<u32>,
    named: BTreeSet<u32>,
    lost: BTreeSet<u32>,
    /// When seats were replaced by requests that named them.
    replacements: Vec<u64>,
    lapses: BTreeSet<(u32, u64)>,
    vendors_acts: usize,
    /// The computers that had a license which they could use.
    users: BTreeSet<usize>,
}

impl Promise {
    pub fn new(sold: Sold, now: u64) -> Self {
        Self {
            sold,
            began: now,
            most_seats: sold.seats,
            lowered: 0,
            longest_lease: lease(sold),
            known: BTreeMap::new(),
            rows: BTreeMap::new(),
            over: BTreeMap::new(),
            joined: BTreeSet::new(),
            released: BTreeSet::new(),
            named: BTreeSet::new(),
            lost: BTreeSet::new(),
            replacements: Vec::new(),
            lapses: BTreeSet::new(),
            vendors_acts: 0,
            users: BTreeSet::new(),
        }
    }

    pub fn sold(&self) -> Sold {
        self.sold
    }

    /// A device has asked for a seat, at that time by its own clock.
    pub fn asked(&mut self, handle: u32, computer: usize, asked: u64) {
        self.known.entry(handle).or_insert(Known { computer, asked, heard: 0 });
    }

    /// A device was answered, so the authority has heard of it.
    pub fn heard(&mut self, handle: u32, now: u64) {
        if let Some(known) = self.known.get_mut(&handle) {
            known.heard = now;
        }
    }

    /// The vendor releases a seat or returns it.
    pub fn released(&mut self, handle: u32) {
        self.released.insert(handle);
        self.vendors_acts += 1;
    }

    /// A request names a seat.
    pub fn named(&mut self, handle: u32) {
        self.named.insert(handle);
    }

    /// The store that knew of these is lost.
    pub fn lost(&mut self, handles: impl IntoIterator<Item = u32>) {
        self.lost.extend(handles);
    }

    /// The vendor changes what was sold.
    pub fn edited(&mut self, sold: Sold, now: u64) {
        if sold.seats < self.sold.seats {
            self.lowered = self.counting(now);
        }
        self.sold = sold;
        self.most_seats = self.most_seats.max(sold.seats);
        self.longest_lease = self.longest_lease.max(lease(sold));
    }

    /// When the seats that count lapse, if they do.
    pub fn lapses(&self, now: u64) -> impl Iterator<Item = u64> {
        let counting = self.rows.values().filter(move |row| self.counts(row, now));
        counting.filter_map(|row| Some(row.ends + u64::from(self.sold.margin_days?) * DAY))
    }

    /// Whether a seat was replaced or revoked.
    pub fn is_over(&self, handle: u32) -> bool {
        self.over.contains_key(&handle)
    }

    /// A seat of another computer, to be named: the one that was heard of longest ago, or lately.
    pub fn seat_of_another(&self, computer: usize, lately: bool) -> Option<u32> {
        let active = self.rows.values().filter(|row| row.state == State::Active);
        let known = active.filter_map(|row| self.known.get_key_value(&row.handle));
        let mut others: Vec<_> = known.filter(|(_, known)| known.computer != computer).collect();
        others.sort_by_key(|(handle, known)| (known.heard, **handle));
        let picked = if lately { others.last() } else { others.first() };
        picked.map(|(handle, _)| **handle)
    }

    fn counts(&self, row: &Row, now: u64) -> bool {
        let margin = self.sold.margin_days.map(|days| u64::from(days) * DAY);
        row.state.is_taken() && !row.lapsed && margin.is_none_or(|margin| row.ends + margin > now)
    }

    fn counting(&self, now: u64) -> usize {
        self.rows.values().filter(|row| self.counts(row, now)).count()
    }

    /// Somebody is refused for want of a seat at this moment (F3).
    pub fn refused(&self, now: u64, rows: &[Row]) -> Kept {
        let counting = rows.iter().filter(|row| self.counts(row, now)).count();
        must(counting >= self.sold.seats, || {
            format!("F3: refused for want of a seat, and {counting} count of {}", self.sold.seats)
        })
    }

    /// A device that could use its license was not renewed, or is told that its seat is over (F3).
    pub fn lost_a_lease(&self, handle: u32) -> Kept {
        let is_explained = self.released.contains(&handle) || self.named.contains(&handle);
        // The seat of its computer was given back by another installation of it.
        let was_replaced = self.is_over(handle);
        must(is_explained || was_replaced, || {
            format!("F3: the device of seat {handle} lost a lease that it could use")
        })
    }

    /// Looks at everything once more, after at most one act.
    pub fn judge(&mut self, now: u64, usable: &[Usable], rows: Vec<Row>) -> Kept {
        let rows: BTreeMap<u32, Row> = rows.into_iter().map(|row| (row.handle, row)).collect();
        let before = self.counting(now);
        for row in rows.values() {
            if self.rows.get(&row.handle) != Some(row) {
                self.judge_change(now, row, &rows)?;
            }
            if row.state.is_taken() && !self.counts(row, now) {
                self.lapses.insert((row.handle, row.ends));
            }
        }
        self.rows = rows;
        let counting = self.counting(now);
        must(counting <= self.sold.seats.max(before), || {
            format!("S1: {counting} seats count of {}, and {before} before", self.sold.seats)
        })?;
        self.lowered = self.lowered.min(counting);
        self.judge_usable(now, usable)
    }

    fn judge_usable(&mut self, now: u64, usable: &[Usable]) -> Kept {
        let mut users = BTreeSet::new();
        for Usable { handle, computer } in usable {
            let state = self.rows.get(handle).map(|row| row.state);
            match state {
                Some(State::Active) => drop(users.insert(*computer)),
                Some(State::Replaced | State::Revoked) => {
                    let end = self.over[handle] + self.longest_lease + TOLERANCE;
                    must(now <= end, || format!("F1: seat {handle} is over, and its license never ends"))?;
                }
                _ => return Err(format!("I1: the license of seat {handle} is usable, which is {state:?}")),
            }
        }
        let allowed = self.sold.seats.max(self.lowered);
        must(users.len() <= allowed, || format!("F1: {} computers use {allowed} seats", users.len()))?;
        self.users.extend(users);
        let Some(deactivations) = self.sold.deactivations else { return Ok(()) };
        let counted = self.rows.values().filter(|row| row.counted).count();
        must(counted <= deactivations as usize, || {
            format!("F5: {counted} deactivations of {deactivations}")
        })?;
        let years = 1 + (now - self.began) / (365 * DAY);
        let replaced = self.sold.replace as usize * years as usize;
        let moves = deactivations as usize + replaced + self.lapses.len() + self.vendors_acts;
        must(self.users.len() <= self.most_seats + moves, || {
            format!("F5: {} computers had {} seats, with {moves} moves", self.users.len(), self.most_seats)
        })
    }

    fn judge_change(&mut self, now: u64, row: &Row, rows: &BTreeMap<u32, Row>) -> Kept {
        let handle = row.handle;
        let before = self.rows.get(&handle).cloned();
        let state = before.as_ref().map(|before| before.state);
        match row.state {
            State::Replaced if state != Some(State::Replaced) => {
                self.judge_replaced(handle, rows)?;
                self.over.insert(handle, now);
            }
            State::Revoked if state != Some(State::Revoked) => {
                if !self.released.contains(&handle) {
                    self.judge_named(now, handle)?;
                }
                self.over.entry(handle).or_insert(now);
            }
            State::Active => drop(self.over.remove(&handle)),
            _ => {}
        }
        let Some(before) = before else { return Ok(()) };
        let counted = self.counts(&before, now);
        // What was signed again since then may have counted again.
        if row.counted && !before.counted && row.ends == before.ends {
            must(counted, || format!("S1: giving up the lapsed seat {handle} used up a deactivation"))?;
        }
        let is_free = before.state == State::Active && row.state == State::Returned && !row.counted;
        let is_explained = !counted || self.lost.contains(&handle) || self.sold.deactivations.is_none();
        // What was held went to the next request of the same computer.
        let went_on = || self.changed_with(handle, rows).is_ok_and(|others| !others.is_empty());
        must(!is_free || is_explained || !self.joined.contains(&handle) || went_on(), || {
            format!("S2: seat {handle} took the place of another and is freed at no charge")
        })
    }

    /// The other seats of the same computer that have changed as well.
    fn changed_with(&self, handle: u32, rows: &BTreeMap<u32, Row>) -> Kept<Vec<u32>> {
        let of = |handle: u32| {
            let known = self.known.get(&handle).map(|known| known.computer);
            known.ok_or_else(|| format!("nobody has asked for seat {handle}"))
        };
        let computer = of(handle)?;
        let mut others = Vec::new();
        for other in rows.values().filter(|other| other.handle != handle) {
            if of(other.handle)? == computer && self.rows.get(&other.handle) != Some(other) {
                others.push(other.handle);
            }
        }
        Ok(others)
    }

    /// Another installation of its computer took the place of a seat (S2).
    fn judge_replaced(&mut self, handle: u32, rows: &BTreeMap<u32, Row>) -> Kept {
        let others = self.changed_with(handle, rows)?;
        // One that is new took a place that was taken back from it at once, so that only its own row tells.
        if !self.rows.contains_key(&handle) && others.is_empty() {
            let computer = self.known[&handle].computer;
            let is_of_it = |row: &&Row| row.handle != handle && self.known[&row.handle].computer == computer;
            return must(rows.values().any(|row| is_of_it(&row)), || {
                format!("S2: seat {handle} is replaced, and its computer has no other")
            });
        }
        must(!others.is_empty(), || format!("S2: seat {handle} is replaced by another computer's"))?;
        let is_new = |other: &u32| !self.rows.contains_key(other);
        let asked = self.known[&handle].asked;
        let is_older = |other: &u32| self.known[other].asked + TOLERANCE < asked;
        must(!others.iter().all(|other| is_new(other) && is_older(other)), || {
            format!("S2: seat {handle} is replaced by an older request")
        })?;
        // Of two that are new, nobody knows which one took its place.
        let mut new = others.into_iter().filter(is_new);
        self.joined.extend(new.next().filter(|_| new.next().is_none()));
        Ok(())
    }

    /// Another computer's request took the place of a seat that it named (S3).
    fn judge_named(&mut self, now: u64, handle: u32) -> Kept {
        must(self.named.contains(&handle), || format!("S3: nobody has named seat {handle}, and it is over"))?;
        let heard = self.known.get(&handle).map_or(0, |known| known.heard);
        must(heard + SILENT <= now, || {
            format!("S3: the device of seat {handle} was heard of, and is replaced")
        })?;
        self.replacements.push(now);
        let within = self.replacements.iter().filter(|at| **at + 365 * DAY > now).count();
        must(within <= self.sold.replace as usize, || format!("S3: {within} seats were replaced in a year"))
    }
}

fn lease(sold: Sold) -> u64 {
    u64::from(sold.lease_days) * DAY
}
