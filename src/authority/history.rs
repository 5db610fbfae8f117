//! What a ledger knows of its own past: when it was in service, and which of that it has lost.
//!
//! A ledger that is restored to an earlier copy has forgotten what was signed since. It notes a page each minute
//! ([`Page`]), so what is missing shows (docs/PROTOCOL.md, The ledger was restored).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::json;
use crate::{CLOCK_TOLERANCE, Page, Timestamp};

/// How long after its note something may still be signed under a page, although another server has noted a later one: a
/// page lasts for a minute, and what is decided under it may wait.
const LATELY: Duration = Duration::from_secs(5 * 60);

/// How many pages are remembered as noted lately.
const MAX_RECENT: usize = 64;

/// How many gaps are told apart. With more, the two oldest are taken for one.
const MAX_GAPS: usize = 16;

/// What a ledger notes of its service, as its one record of that kind.
///
/// Its serde form is the JSON record that `docs/FORMAT.md`, "Records" describes. Only
/// [`note`](super::decision::note) and [`check_in`](super::decision::check_in) change it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    #[serde(with = "json::as_text")]
    pub(super) last_page: Page,
    pub(super) noted: Timestamp,
    pub(super) stopped: bool,
    pub(super) trusted: bool,
    /// The pages that were noted lately, the last one included: of each a part may be missing in a copy of this ledger.
    pub(super) recent: Vec<Noted>,
    pub(super) gaps: Vec<Gap>,
    /// When something that a stolen key signed was noted last.
    pub(super) alarmed: Option<Timestamp>,
}

/// A page, and when it was noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Noted {
    #[serde(with = "json::as_text")]
    pub(super) page: Page,
    pub(super) noted: Timestamp,
}

/// A time of service that a ledger may have lost.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Gap {
    pub(super) began: Timestamp,
    pub(super) ended: Timestamp,
    pub(super) over: Timestamp,
    /// The pages that were noted lately when it began.
    #[serde(with = "json::as_texts")]
    pub(super) last_pages: Vec<Page>,
    /// Whether something shows that history is missing. Otherwise nothing was noted for too long.
    pub(super) is_evident: bool,
}

impl Gap {
    /// The last note that the ledger has from before it.
    pub fn began(&self) -> Timestamp {
        self.began
    }

    /// When it was found. Nothing that was signed later is missing.
    pub fn ended(&self) -> Timestamp {
        self.ended
    }

    /// When the last lease ends that may have been signed in it: the longest lease after its end.
    pub fn over(&self) -> Timestamp {
        if mutated!(OwnLeaseAfterAGap) { self.ended } else { self.over }
    }

    /// Whether something that the authority signed then may be missing, as far as clocks can be compared.
    pub(super) fn explains(&self, signed: Timestamp) -> bool {
        signed.plus(CLOCK_TOLERANCE) >= self.began && signed <= self.ended.plus(CLOCK_TOLERANCE)
    }
}

impl History {
    /// The page that was noted last.
    pub fn last_page(&self) -> Page {
        self.last_page
    }

    /// When something was noted last, by the ledger's time.
    pub fn noted(&self) -> Timestamp {
        self.noted
    }

    /// Whether the last note said that the service stops.
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    /// Whether a place that no backup of the ledger reaches had the ledger's last page at the last note: then the
    /// ledger was not restored before that.
    pub fn is_vouched_for(&self) -> bool {
        self.trusted
    }

    /// The times of service that the ledger may have lost, oldest first.
    pub fn gaps(&self) -> &[Gap] {
        &self.gaps
    }

    /// When the last lease ends that may have been signed in a gap: a seat that the ledger does not know may be in use
    /// until then. None if nothing was ever lost.
    pub fn restored_until(&self) -> Option<Timestamp> {
        self.gaps.iter().map(Gap::over).max()
    }

    /// Whether a page says nothing about what the ledger should have of it, although the ledger knows it: it was one of
    /// the last before a gap.
    pub(super) fn is_torn(&self, page: Page) -> bool {
        self.gaps.iter().any(|gap| gap.last_pages.contains(&page))
    }

    /// The pages that were noted lately once this one is, too.
    pub(super) fn recent_with(&self, page: Page, now: Timestamp) -> Vec<Noted> {
        let is_recent = |noted: &&Noted| now.since(noted.noted) <= LATELY && noted.page != page;
        let mut recent: Vec<_> = self.recent.iter().filter(is_recent).cloned().collect();
        recent.push(Noted { page, noted: now });
        recent.drain(..recent.len().saturating_sub(MAX_RECENT));
        recent
    }

    /// The pages that were noted lately.
    pub(super) fn recent_pages(&self) -> Vec<Page> {
        self.recent.iter().map(|noted| noted.page).collect()
    }

    /// With a gap that began then and ends now.
    pub(super) fn with_gap(
        mut self,
        began: Timestamp,
        last_pages: Vec<Page>,
        is_evident: bool,
        (now, longest_lease): (Timestamp, Duration),
    ) -> Self {
        let mut gap = Gap { began, ended: now, over: now.plus(longest_lease), last_pages, is_evident };
        // What a device's license showed, and what the next note shows of the same time.
        let is_same =
            |other: &Gap| other.ended >= began && (other.last_pages.is_empty() || gap.last_pages.is_empty());
        if let Some(at) = self.gaps.iter().position(is_same) {
            let other = self.gaps.remove(at);
            gap.began = gap.began.min(other.began);
            gap.last_pages.extend(other.last_pages);
            gap.is_evident |= other.is_evident;
        }
        let place = self.gaps.partition_point(|other| other.began <= gap.began);
        self.gaps.insert(place, gap);
        if self.gaps.len() > MAX_GAPS {
            let first = self.gaps.remove(0);
            let merged = &mut self.gaps[0];
            merged.began = first.began;
            merged.ended = merged.ended.max(first.ended);
            merged.over = merged.over.max(first.over);
            merged.is_evident |= first.is_evident;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_gaps_become_one_when_there_are_many() {
        let at = |days| Timestamp::from_unix_seconds(1_800_000_000).plus_days(days);
        let page = Page::from_bytes([1; 8]);
        let mut history = History {
            last_page: page,
            noted: at(0),
            stopped: false,
            trusted: false,
            recent: Vec::new(),
            gaps: Vec::new(),
            alarmed: None,
        };
        for days in 1..=20 {
            let (began, found) = (at(2 * days), at(2 * days + 1));
            history = history.with_gap(began, vec![page], false, (found, Duration::from_secs(86_400)));
        }
        assert_eq!(history.gaps().len(), MAX_GAPS);
        assert_eq!((history.gaps()[0].began(), history.gaps()[0].ended()), (at(2), at(11)));
        assert_eq!(history.restored_until(), Some(at(42)));
        // One that a device shows is a part of the last one.
        let shown = history.clone().with_gap(at(41), Vec::new(), true, (at(50), Duration::ZERO));
        assert_eq!(shown.gaps().last().map(|gap| (gap.began(), gap.ended())), Some((at(40), at(50))));
        assert_eq!(shown.gaps().len(), MAX_GAPS);
    }

    #[test]
    fn pages_are_recent_for_five_minutes_and_only_so_many_are_remembered() {
        let at = |seconds: u64| Timestamp::from_unix_seconds(1_800_000_000 + seconds);
        let page = |number| Page::from_bytes([number; 8]);
        let mut history = History {
            last_page: page(0),
            noted: at(0),
            stopped: false,
            trusted: false,
            recent: Vec::new(),
            gaps: Vec::new(),
            alarmed: None,
        };
        for (number, seconds) in [(0, 0), (1, 60), (2, 90), (1, 200), (3, 361)] {
            history.recent = history.recent_with(page(number), at(seconds));
        }
        assert_eq!(history.recent_pages(), [page(2), page(1), page(3)]);
        for number in 0..200 {
            history.recent = history.recent_with(page(number), at(400));
        }
        assert_eq!(history.recent_pages().len(), MAX_RECENT);
        let torn = history.clone().with_gap(at(400), history.recent_pages(), false, (at(900), LATELY));
        assert!(torn.is_torn(page(150)) && !torn.is_torn(page(100)));
    }
}
