//! What costs more than one look at memory and may be asked for as often as anybody likes.

use std::time::{Duration, Instant};

use tokio::sync::Mutex;

/// A value that is found again only when it is older than this.
pub(super) struct Cached<T> {
    lasts: Duration,
    found: Mutex<Option<(Instant, T)>>,
}

impl<T: Clone> Cached<T> {
    pub(super) fn new(lasts: Duration) -> Self {
        Self { lasts, found: Mutex::new(None) }
    }

    /// The value. Of many that ask at once, one finds it and the others wait for that. A failure is not kept.
    pub(super) async fn get<E>(&self, find: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        let mut found = self.found.lock().await;
        if let Some((at, value)) = &*found
            && at.elapsed() < self.lasts
        {
            return Ok(value.clone());
        }
        let value = find.await?;
        *found = Some((Instant::now(), value.clone()));
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, time::Duration};

    use super::Cached;

    #[tokio::test]
    async fn a_value_is_found_once_while_it_lasts_and_a_failure_is_not_kept() {
        let finds = Cell::new(0);
        let find = |result: Result<u32, ()>| {
            let finds = &finds;
            async move {
                finds.set(finds.get() + 1);
                result
            }
        };
        let cached = Cached::new(Duration::from_secs(60));
        assert_eq!(cached.get(find(Err(()))).await, Err(()));
        assert_eq!(cached.get(find(Ok(1))).await, Ok(1));
        assert_eq!(cached.get(find(Ok(2))).await, Ok(1));
        assert_eq!(finds.get(), 2);
        let brief = Cached::new(Duration::ZERO);
        assert_eq!((brief.get(find(Ok(1))).await, brief.get(find(Ok(2))).await), (Ok(1), Ok(2)));
    }
}
