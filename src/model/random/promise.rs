//! What must hold in a random run, by what the devices can use and by what the test itself did. The ledger is read for
//! the states of seats, the ends of their licenses and its gaps, and none of its counters is believed.
//!
//! **After a restore** at `t` to a copy (`docs/DESIGN.md`, How it is tested), M being the longest lease:
//!
//! - *Who may be usable besides.* Beside the computers that F1 allows, those whose license was signed before `t` for
//!   a seat that the copy does not have as counting. No such license is usable after `t` + M, as far as its device's
//!   clock is right. A seat that the copy has as counting is kept for its device, whenever its license was signed:
//!   until M and the margin after the gap. Only where the server that was put back sees no later page outside,
//!   because that was put back as well, the seat may lapse and be given to another before a license or another server
//!   shows the gap; its license is then one of those besides.
//! - *Flagged.* A device that checks in and is answered with a license has a seat that counts. If more seats count
//!   then than there are and than counted before, the authority noted it (`healed`, with the number), and no act lets
//!   more count until the count fits.
//! - *Noticed.* A ledger that was restored has a gap at once, from no later than the copy. The exceptions: the page
//!   was put back with it; nothing is outside and it was silent for at most two minutes; no other page was noted
//!   since the copy. A ledger that was never restored has none, whatever servers do. A gap ends when the ledger was
//!   restored, or when a device's license or last word healed it, so no seat is kept for longer than M and the margin
//!   after that (F2).
//!
//! **What the vendor does** changes what is expected, and nothing else:
//!
//! - *T.* Nothing is granted or renewed for a license that is suspended or has ended, and no license that was signed
//!   under an end outlasts it. What was signed before stays as it is: no act of the vendor's reaches a device by
//!   itself.
//! - *A.* New computers use activations up, and no more than there are; a refusal for want of one is true.
//! - *K.* A key that was replaced before a request was granted grants nothing.
//! - *U.* A release is taken back only where the vendor did that, and never from a device that was told of it or has
//!   given the seat back.
//!
//! **While nobody does anything** (F4), whatever a timer of the server does or fails to do, every seat stays as it is.
//! One that counts goes on counting until its device, by the time that it goes by itself, is past the end of its
//! license and the margin.
//!
//! **What is over stays over.** A seat that was released is given up by nobody, so that it is freed once; and no seat
//! that has lapsed is replaced, because nobody needs its place: not by another installation, nor by name (S2, S3).
//!
//! I1 and F3 hold as ever. For F5 the moves that the ledger has forgotten are moves.

use std::collections::{BTreeMap, BTreeSet};

use super::script::{ALLOWANCES, Allowance, DAY, HOUR, Sold};

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
    /// Whether its grant used up an activation.
    pub activation: bool,
    pub lapsed: bool,
    /// When the last license that was signed for it ends.
    pub ends: u64,
}

/// A store whose license a check accepts.
#[derive(Clone, Copy, Debug)]
pub struct Usable {
    pub handle: u32,
    pub computer: usize,
    /// When the license was signed.
    pub issued: u64,
}

/// A license on a device, whether or not a check accepts it.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub handle: u32,
    pub ends: u64,
    /// What the device takes the time to be.
    pub time: u64,
}

/// A time that the ledger says it may have lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gap {
    pub began: u64,
    pub ended: u64,
}

/// What can be seen of the ledger.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub rows: Vec<Row>,
    /// The seats that the ledger itself takes for counting, where it can be asked.
    pub counting: Option<BTreeSet<u32>>,
    pub gaps: Vec<Gap>,
    /// How often a device has told it what it had lost.
    pub healed: u64,
    /// How often it noted that more seats are taken than were sold.
    pub flagged: u64,
}

/// How the ledger was restored.
#[derive(Clone, Copy, Debug)]
pub struct Restore {
    /// When the copy was put back.
    pub at: u64,
    /// When the copy was made, or before.
    pub copied: u64,
    /// What it says was sold.
    pub sold: Sold,
    /// Whether something outside shows it at once.
    pub shows: bool,
    /// A seat for which something was signed under the ledger that is lost, while the copy was in its place already.
    pub beside: Option<u32>,
}

/// What the test knows of an activation.
struct Known {
    computer: usize,
    /// When it was asked for, by the device's clock.
    asked: u64,
    /// When the authority surely heard of the device.
    heard: u64,
    /// The license key of its request.
    key: String,
}

/// One license, and what is promised of it.
pub struct Promise {
    sold: Sold,
    began: u64,
    most_seats: usize,
    /// Those that counted when the number of seats was lowered, less those that do not any more.
    lowered: usize,
    longest_lease: u64,
    /// M, the longest that the authority may ever sign.
    longest_ever: u64,
    known: BTreeMap<u32, Known>,
    rows: BTreeMap<u32, Row>,
    /// The seats that counted when everything was looked at last.
    counted: BTreeSet<u32>,
    /// Seats that were replaced or revoked, and since when: their licenses may be used until they end.
    over: BTreeMap<u32, u64>,
    /// Seats that took the place of another one of their computer.
    joined: BTreeSet<u32>,
    released: BTreeSet<u32>,
    /// Seats whose release the vendor took back, or tried to.
    unreleased: BTreeSet<u32>,
    /// Seats of which somebody was told that they are over, or that they were given back.
    told: BTreeSet<u32>,
    /// License keys that were replaced.
    replaced_keys: BTreeSet<String>,
    /// Since when the license is suspended, and since when it has the end that it has.
    suspended: Option<u64>,
    end_set: u64,
    /// How many seats may have used up a deactivation at most, at any time; none once there was no limit.
    most_deactivated: Option<usize>,
    named: BTreeSet<u32>,
    lost: BTreeSet<u32>,
    /// When seats were replaced by requests that named them.
    replacements: BTreeMap<u32, u64>,
    lapses: BTreeSet<(u32, u64)>,
    vendors_acts: usize,
    /// The computers that had a license which they could use.
    users: BTreeSet<usize>,
    gaps: Vec<Gap>,
    healed: u64,
    flagged: u64,
    /// When something last showed that the ledger was restored, if it ever was.
    found: Option<u64>,
    /// Seats that a restored ledger does not have as counting, and when it was restored.
    strays: BTreeMap<u32, u64>,
    /// The latest end of the licenses of each seat, in whatever ledger.
    latest: BTreeMap<u32, u64>,
    /// Seats of which a part was lost, and nothing showed it at once.
    unseen: BTreeSet<u32>,
    /// The seats as they were before a restored ledger forgot it.
    forgotten: BTreeMap<u32, Row>,
    /// How many computers use a license besides.
    besides: usize,
}

impl Promise {
    /// With the longest lease that the authority may ever sign, in days.
    pub fn new(sold: Sold, now: u64, longest_ever: u32) -> Self {
        Self {
            sold,
            began: now,
            most_seats: sold.seats,
            lowered: 0,
            longest_lease: lease(sold),
            longest_ever: u64::from(longest_ever) * DAY,
            known: BTreeMap::new(),
            rows: BTreeMap::new(),
            counted: BTreeSet::new(),
            over: BTreeMap::new(),
            joined: BTreeSet::new(),
            released: BTreeSet::new(),
            unreleased: BTreeSet::new(),
            told: BTreeSet::new(),
            replaced_keys: BTreeSet::new(),
            suspended: None,
            end_set: now,
            most_deactivated: sold.most_deactivated(),
            named: BTreeSet::new(),
            lost: BTreeSet::new(),
            replacements: BTreeMap::new(),
            lapses: BTreeSet::new(),
            vendors_acts: 0,
            users: BTreeSet::new(),
            gaps: Vec::new(),
            healed: 0,
            flagged: 0,
            found: None,
            strays: BTreeMap::new(),
            latest: BTreeMap::new(),
            unseen: BTreeSet::new(),
            forgotten: BTreeMap::new(),
            besides: 0,
        }
    }

    /// How many computers use a license of the lost time besides.
    pub fn besides(&self) -> usize {
        self.besides
    }

    pub fn sold(&self) -> Sold {
        self.sold
    }

    /// A device has asked for a seat, at that time by its own clock and with that license key.
    pub fn asked(&mut self, handle: u32, computer: usize, asked: u64, key: &str) {
        let key = key.to_owned();
        self.known.entry(handle).or_insert(Known { computer, asked, heard: 0, key });
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

    /// The vendor takes the release of a seat back.
    pub fn unreleased(&mut self, handle: u32) {
        self.unreleased.insert(handle);
    }

    /// The seats that the vendor released, as far as they are over, the latest one first.
    pub fn releases(&self) -> Vec<u32> {
        let over = self.over.iter().filter(|(handle, _)| self.released.contains(handle));
        let mut over: Vec<_> = over.map(|(handle, at)| (*at, *handle)).collect();
        over.sort_unstable_by(|one, other| other.cmp(one));
        over.into_iter().map(|(_, handle)| handle).collect()
    }

    /// Somebody who has the license of a seat was told that it is over, or has the receipt for it.
    pub fn told(&mut self, handle: u32) {
        self.told.insert(handle);
    }

    /// A license key activates nothing any more.
    pub fn replaced_key(&mut self, key: &str) {
        self.replaced_keys.insert(key.to_owned());
    }

    /// So many of an allowance were used up so far.
    pub fn used(&self, of: Allowance) -> usize {
        let is_used = |row: &&Row| match of {
            Allowance::Activations => row.activation,
            Allowance::Deactivations => row.counted,
        };
        self.rows.values().filter(is_used).count()
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
        self.suspended = Some(self.suspended.unwrap_or(now)).filter(|_| sold.is_suspended);
        if sold.end != self.sold.end {
            self.end_set = now;
        }
        let most = self.most_deactivated.zip(sold.most_deactivated());
        self.most_deactivated = most.map(|(before, now)| before.max(now));
        self.sold = sold;
        if self.found.is_some() {
            // With a longer margin, seats that were too many count again.
            self.lowered = self.lowered.max(self.counting(now));
        }
        self.most_seats = self.most_seats.max(sold.seats);
        self.longest_lease = self.longest_lease.max(lease(sold));
    }

    /// The vendor resets an allowance, or grants so many extra ones in place of those before.
    pub fn allowed(&mut self, of: Allowance, extra: Option<u32>, now: u64) {
        let (mut sold, used) = (self.sold, self.used(of));
        let granted = &mut sold.granted[of as usize];
        let is_limited = match of {
            Allowance::Activations => sold.activations.is_some(),
            Allowance::Deactivations => sold.deactivations.is_some(),
        };
        match extra {
            None => granted.forgiven = granted.forgiven.max(used),
            // Of what has no limit there are none extra.
            Some(extra) if is_limited => granted.extra = extra as usize,
            Some(_) => {}
        }
        self.edited(sold, now);
    }

    /// The ledger was restored to an earlier copy: this is what that has.
    pub fn restored(&mut self, now: u64, restore: Restore, seen: Seen) -> Kept {
        let Restore { at, copied, sold, shows, beside } = restore;
        self.found = Some(now);
        let is_noticed = seen.gaps.iter().any(|gap| gap.began <= copied && gap.ended >= at);
        must(is_noticed || !shows, || format!("S4: restored, and not noticed: {:?}", seen.gaps))?;
        (self.gaps, self.healed, self.flagged, self.sold) = (seen.gaps, seen.healed, seen.flagged, sold);
        self.suspended = Some(now).filter(|_| sold.is_suspended);
        self.end_set = now;
        // What it has forgotten it may do again.
        self.told.clear();
        self.replaced_keys.clear();
        let rows: BTreeMap<u32, Row> = seen.rows.into_iter().map(|row| (row.handle, row)).collect();
        for (handle, before) in std::mem::replace(&mut self.rows, rows) {
            let row = self.rows.get(&handle).filter(|row| row.state == State::Active);
            let is_latest = |row: &Row| self.latest.get(&handle).is_none_or(|latest| *latest <= row.ends);
            let is_kept = row.is_some_and(|row| self.counts(row, now) && (shows || is_latest(row)));
            let is_same = self.rows.get(&handle) == Some(&before);
            if !is_kept && (row.is_some() || !is_same) {
                self.strays.insert(handle, at);
                self.unseen.extend(Some(handle).filter(|_| !shows));
            }
            if !is_same {
                self.forgotten.insert(handle, before);
            }
        }
        let is_kept = |handle: &u32| self.rows.get(handle).is_some_and(|row| self.counts(row, now));
        self.strays.extend(beside.filter(|handle| !is_kept(handle)).map(|handle| (handle, at)));
        let (rows, known) = (&self.rows, &mut self.known);
        let state = |handle: &u32| rows.get(handle).map(|row| row.state);
        let is_over = |handle: &u32| matches!(state(handle), Some(State::Replaced | State::Revoked));
        self.over.retain(|handle, _| is_over(handle));
        for handle in rows.keys().filter(|handle| is_over(handle)) {
            self.over.entry(*handle).or_insert(now);
        }
        self.joined.retain(|handle| rows.contains_key(handle));
        self.replacements.retain(|handle, _| state(handle) == Some(State::Revoked));
        // What it heard since, it has forgotten.
        known.values_mut().filter(|known| known.heard > copied).for_each(|known| known.heard = 0);
        self.lowered = self.counting(now);
        Ok(())
    }

    /// When the seats that count lapse, if they do.
    pub fn lapses(&self, now: u64) -> impl Iterator<Item = u64> {
        let counting = self.rows.values().filter(move |row| self.counts(row, now));
        let kept = self.gaps.iter().map(|gap| gap.ended + self.longest_ever).max().unwrap_or_default();
        counting.filter_map(move |row| {
            let margin = u64::from(self.sold.margin_days?) * DAY;
            Some(row.ends.max(kept) + margin)
        })
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
        self.counts_with(&self.gaps, row, now)
    }

    fn counts_with(&self, gaps: &[Gap], row: &Row, now: u64) -> bool {
        let margin = self.sold.margin_days.map(|days| u64::from(days) * DAY);
        let has_lapsed = margin.is_some_and(|margin| {
            let hidden = gaps.iter().filter(|gap| now < gap.ended + self.longest_ever + margin);
            hidden.map(|gap| gap.began.saturating_sub(1)).chain([now]).all(|then| row.ends + margin <= then)
        });
        row.state.is_taken() && !row.lapsed && !has_lapsed
    }

    fn counting(&self, now: u64) -> usize {
        self.rows.values().filter(|row| self.counts(row, now)).count()
    }

    /// Somebody is refused for want of a seat at this moment (F3).
    pub fn refused(&self, now: u64, seen: &Seen) -> Kept {
        let counting = seen.rows.iter().filter(|row| self.counts_with(&seen.gaps, row, now)).count();
        must(counting >= self.sold.seats, || {
            format!("F3: refused for want of a seat, and {counting} count of {}", self.sold.seats)
        })
    }

    /// Somebody is refused for want of an activation at this moment.
    pub fn refused_activation(&self, seen: &Seen) -> Kept {
        let used = seen.rows.iter().filter(|row| row.activation).count();
        must(self.sold.most_activated().is_some_and(|most| used >= most), || {
            format!(
                "A: refused for want of an activation, and {used} of {:?} are used",
                self.sold.activations
            )
        })
    }

    /// A check-in was answered with a license at this moment: the seat counts.
    pub fn renewed(&self, now: u64, handle: u32, seen: &Seen) -> Kept {
        let row = seen.rows.iter().find(|row| row.handle == handle && row.state == State::Active);
        let counts = row.is_some_and(|row| self.counts_with(&seen.gaps, row, now));
        must(counts, || format!("S4: seat {handle} is renewed, and does not count: {row:?}"))
    }

    /// A device that could use its license was not renewed, or is told that its seat is over (F3).
    pub fn lost_a_lease(&self, handle: u32) -> Kept {
        let is_explained = self.released.contains(&handle) || self.named.contains(&handle);
        // The seat of its computer was given back by another installation of it.
        let was_replaced = self.is_over(handle);
        // Two licenses may have one revision then, and the ledger does not see which one is later.
        let was_lost = self.unseen.contains(&handle);
        must(is_explained || was_replaced || was_lost, || {
            format!("F3: the device of seat {handle} lost a lease that it could use")
        })
    }

    /// Time has passed since everything was looked at last, and nobody did anything (F4).
    pub fn passed(&self, now: u64, held: &[Held], seen: &Seen) -> Kept {
        for row in &seen.rows {
            let before = self.rows.get(&row.handle);
            must(before == Some(row), || format!("F4: {before:?} became {row:?}, and nobody did anything"))?;
        }
        must(seen.rows.len() == self.rows.len(), || {
            "F4: a seat is gone, and nobody did anything".to_owned()
        })?;
        let counting = self.counting_of(seen, now);
        for Held { handle, ends, time } in held {
            let is_over =
                self.sold.margin_days.is_some_and(|days| time + TOLERANCE >= ends + u64::from(days) * DAY);
            // Of one that was lost the ledger does not know how long it may be in use.
            let is_kept = !self.counted.contains(handle) || counting.contains(handle);
            must(is_kept || is_over || self.strays.contains_key(handle), || {
                format!(
                    "F4: seat {handle} counts no more at {time} by its device, whose license ended at {ends}"
                )
            })?;
        }
        Ok(())
    }

    /// The seats that count, as the ledger itself takes them where it can be asked.
    fn counting_of(&self, seen: &Seen, now: u64) -> BTreeSet<u32> {
        let counts = |row: &&Row| self.counts_with(&seen.gaps, row, now);
        let own = || seen.rows.iter().filter(counts).map(|row| row.handle).collect();
        seen.counting.clone().unwrap_or_else(own)
    }

    /// Looks at everything once more, after at most one act.
    pub fn judge(&mut self, now: u64, usable: &[Usable], seen: Seen) -> Kept {
        let has_healed = seen.healed > self.healed;
        if has_healed {
            self.found = self.found.map(|_| now);
        }
        let is_flagged = seen.flagged > self.flagged;
        self.counted = self.counting_of(&seen, now);
        (self.gaps, self.healed, self.flagged) = (seen.gaps, seen.healed, seen.flagged);
        let is_found = |gap: &Gap| self.found.is_some_and(|found| gap.ended <= found);
        // Those from before the run are no longer of effect.
        let began = self.began;
        self.gaps.retain(|gap| gap.ended >= began);
        must(self.gaps.iter().all(is_found), || {
            format!("S4: {:?}, and something was lost at {:?}", self.gaps, self.found)
        })?;
        let rows: BTreeMap<u32, Row> = seen.rows.into_iter().map(|row| (row.handle, row)).collect();
        let before = self.counting(now);
        for row in rows.values() {
            let latest = self.latest.entry(row.handle).or_default();
            *latest = row.ends.max(*latest);
            if self.rows.get(&row.handle) != Some(row) {
                self.judge_change(now, row, &rows)?;
                if !has_healed {
                    self.judge_issued(now, row, &rows)?;
                }
            }
            if row.state.is_taken() && !self.counts(row, now) {
                self.lapses.insert((row.handle, row.ends));
            }
        }
        let used = ALLOWANCES.map(|of| self.used(of));
        self.rows = rows;
        for (of, before) in ALLOWANCES.into_iter().zip(used) {
            let most = match of {
                // What was lost was granted, whatever is left.
                Allowance::Activations if has_healed => None,
                Allowance::Activations => self.sold.most_activated(),
                Allowance::Deactivations => self.sold.most_deactivated(),
            };
            let used = self.used(of);
            must(used <= before || most.is_none_or(|most| used <= most), || {
                format!("F5: {used} {of:?} used up, and {most:?} may be")
            })?;
        }
        let counting = self.counting(now);
        must(counting <= self.sold.seats.max(before) || is_flagged, || {
            format!("S1: {counting} seats count of {}, and {before} before", self.sold.seats)
        })?;
        self.lowered = if is_flagged { counting } else { self.lowered.min(counting) };
        self.judge_usable(now, usable, seen.counting.as_ref())
    }

    fn judge_usable(&mut self, now: u64, usable: &[Usable], own: Option<&BTreeSet<u32>>) -> Kept {
        let (mut users, mut besides) = (BTreeSet::new(), BTreeSet::new());
        for Usable { handle, computer, issued } in usable {
            must(self.suspended.is_none_or(|since| *issued <= since), || {
                format!("T: the license of seat {handle} was signed while nothing was to be")
            })?;
            let outlasts = |end: u64| *issued > self.end_set && now >= end + TOLERANCE;
            must(!self.sold.end.is_some_and(outlasts), || {
                format!(
                    "T: the license of seat {handle} was signed to end at {:?}, and is usable",
                    self.sold.end
                )
            })?;
            let row = self.rows.get(handle).filter(|row| row.state == State::Active);
            if let Some(restored) = self.strays.get(handle).filter(|restored| issued <= restored)
                && !row.is_some_and(|row| self.counts(row, now))
            {
                must(now <= restored + self.longest_ever + TOLERANCE, || {
                    format!("S4: the license of seat {handle} was lost at {restored}, and is in use")
                })?;
                besides.insert(*computer);
                continue;
            }
            let state = self.rows.get(handle).map(|row| row.state);
            match state {
                Some(State::Active) => {
                    users.insert(*computer);
                    let is_kept = own.is_none_or(|own| own.contains(handle));
                    must(is_kept && row.is_some_and(|row| !row.lapsed), || {
                        format!("S1: the license of seat {handle} is in use, and the seat does not count")
                    })?;
                }
                Some(State::Replaced | State::Revoked) => {
                    let end = self.over[handle] + self.longest_lease + TOLERANCE;
                    must(now <= end, || format!("F1: seat {handle} is over, and its license never ends"))?;
                }
                _ => return Err(format!("I1: the license of seat {handle} is usable, which is {state:?}")),
            }
        }
        let allowed = self.sold.seats.max(self.lowered);
        must(users.len() <= allowed, || format!("F1: {} computers use {allowed} seats", users.len()))?;
        self.besides = besides.difference(&users).count();
        self.users.extend(users);
        self.users.extend(besides);
        let Some(deactivations) = self.most_deactivated else { return Ok(()) };
        let years = 1 + (now - self.began) / (365 * DAY);
        let replaced = self.sold.replace as usize * years as usize;
        let moves = deactivations + replaced + self.lapses.len() + self.vendors_acts;
        let moves = moves + self.forgotten.len();
        must(self.users.len() <= self.most_seats + moves, || {
            format!("F5: {} computers had {} seats, with {moves} moves", self.users.len(), self.most_seats)
        })
    }

    fn judge_change(&mut self, now: u64, row: &Row, rows: &BTreeMap<u32, Row>) -> Kept {
        let handle = row.handle;
        let before = self.rows.get(&handle).cloned();
        let state = before.as_ref().map(|before| before.state);
        let is_over = state == Some(State::Revoked);
        must(!is_over || matches!(row.state, State::Revoked | State::Active), || {
            format!("S4: seat {handle} was released, and is {:?}", row.state)
        })?;
        match row.state {
            State::Replaced if state != Some(State::Replaced) => {
                self.judge_replaced(now, row, rows)?;
                self.over.insert(handle, now);
            }
            State::Revoked if state != Some(State::Revoked) => {
                let was_it = self.forgotten.get(&handle).is_some_and(|row| !row.state.is_taken());
                if !self.released.contains(&handle) && !was_it {
                    self.judge_named(now, handle)?;
                }
                self.over.entry(handle).or_insert(now);
            }
            State::Active => {
                let was_revoked = state == Some(State::Revoked);
                let is_unreleased = was_revoked && self.unreleased.contains(&handle);
                let was_over =
                    !matches!(state, None | Some(State::Active | State::Replaced)) && !is_unreleased;
                must(!was_over, || format!("S4: seat {handle} was {state:?}, and is active"))?;
                if is_unreleased {
                    must(!self.told.contains(&handle), || {
                        format!(
                            "U: the release of seat {handle} is taken back, and its device knows that it is over"
                        )
                    })?;
                    self.released.remove(&handle);
                }
                self.over.remove(&handle);
            }
            _ => {}
        }
        let Some(before) = before else { return Ok(()) };
        let counted = self.counts(&before, now);
        // What was signed again since then may have counted again.
        let was_counted = self.forgotten.get(&handle).is_some_and(|row| row.counted);
        if row.counted && !before.counted && row.ends == before.ends && !was_counted {
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

    /// A seat is new or was renewed, and nothing that was lost came back.
    fn judge_issued(&self, now: u64, row: &Row, rows: &BTreeMap<u32, Row>) -> Kept {
        let handle = row.handle;
        let before = self.rows.get(&handle);
        let is_new = before.is_none() && row.state == State::Active;
        let is_later = before.is_some_and(|before| row.ends > before.ends);
        must(!(is_new || is_later) || !self.sold.is_closed(now), || {
            format!("T: seat {handle} is granted or renewed, and nothing is to be issued")
        })?;
        if !is_new {
            return Ok(());
        }
        let is_replaced =
            self.known.get(&handle).is_some_and(|known| self.replaced_keys.contains(&known.key));
        must(!is_replaced, || format!("K: seat {handle} is granted to a key that was replaced"))?;
        must(row.activation || !self.changed_with(handle, rows)?.is_empty(), || {
            format!("A: seat {handle} is a new computer's, and used no activation up")
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
    fn judge_replaced(&mut self, now: u64, row: &Row, rows: &BTreeMap<u32, Row>) -> Kept {
        let handle = row.handle;
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
        // One that was lost and is entered again is alive, whenever it was asked for.
        let is_new = |other: &u32| !self.rows.contains_key(other) && !self.strays.contains_key(other);
        let asked = self.known[&handle].asked;
        let is_older = |other: &u32| self.known[other].asked + TOLERANCE < asked;
        must(!others.iter().all(|other| is_new(other) && is_older(other)), || {
            format!("S2: seat {handle} is replaced by an older request")
        })?;
        // What was signed for it since may have let it count again.
        let before = self.rows.get(&handle).filter(|before| before.ends == row.ends);
        let has_lapsed = before.is_some_and(|before| !self.counts(before, now));
        must(!has_lapsed || !others.iter().all(is_new), || {
            format!("S2: seat {handle} had lapsed, and is replaced")
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
        let before = self.rows.get(&handle);
        must(before.is_none_or(|before| self.counts(before, now)), || {
            format!("S3: seat {handle} had lapsed, and is replaced")
        })?;
        self.replacements.insert(handle, now);
        let within = self.replacements.values().filter(|at| **at + 365 * DAY > now).count();
        must(within <= self.sold.replace as usize, || format!("S3: {within} seats were replaced in a year"))
    }
}

fn lease(sold: Sold) -> u64 {
    u64::from(sold.lease_days) * DAY
}
