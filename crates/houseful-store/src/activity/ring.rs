//! The last while, in buckets of equal length.

/// The newest `N` buckets of `BUCKET_MS` milliseconds each, on a clock that
/// never steps. What is older than that is not kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ring<T, const N: usize, const BUCKET_MS: u64> {
    /// The bucket that the clock was in at the last change, counted from its zero.
    newest: u64,
    /// Bucket `n` is at place `n % N`.
    buckets: [T; N],
}

impl<T: Copy + Default, const N: usize, const BUCKET_MS: u64> Default for Ring<T, N, BUCKET_MS> {
    fn default() -> Self {
        Ring { newest: 0, buckets: [T::default(); N] }
    }
}

impl<T: Copy + Default, const N: usize, const BUCKET_MS: u64> Ring<T, N, BUCKET_MS> {
    /// The bucket that `at_ms` belongs to; `None` if it is too old to have one.
    pub fn bucket(&mut self, at_ms: u64) -> Option<&mut T> {
        let bucket = at_ms / BUCKET_MS;
        if bucket > self.newest {
            let passed = bucket - self.newest;
            if passed >= N as u64 {
                self.buckets = [T::default(); N];
            } else {
                for passed in self.newest + 1..=bucket {
                    self.buckets[place(passed, N)] = T::default();
                }
            }
            self.newest = bucket;
        }
        (self.newest - bucket < N as u64).then(|| &mut self.buckets[place(bucket, N)])
    }

    /// All buckets, oldest first; the last is the one that `now_ms` is in.
    pub fn until(&self, now_ms: u64) -> [T; N] {
        let now = now_ms / BUCKET_MS;
        std::array::from_fn(|index| {
            let bucket = (now + 1 + index as u64).checked_sub(N as u64);
            match bucket {
                Some(bucket) if bucket <= self.newest && self.newest - bucket < N as u64 => {
                    self.buckets[place(bucket, N)]
                }
                _ => T::default(),
            }
        })
    }
}

fn place(bucket: u64, buckets: usize) -> usize {
    // Smaller than `buckets`.
    (bucket % buckets as u64) as usize
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn counts_are_those_of_a_list(
            events in prop::collection::vec(0..2_000_u64, 0..60),
            later_ms in 0..1_000_u64,
        ) {
            let mut ring = Ring::<u16, 7, 100>::default();
            let mut counted = Vec::new();
            let mut newest = 0;
            for at_ms in events {
                newest = newest.max(at_ms / 100);
                let bucket = ring.bucket(at_ms);
                prop_assert_eq!(bucket.is_some(), newest - at_ms / 100 < 7);
                if let Some(bucket) = bucket {
                    *bucket += 1;
                    counted.push(at_ms / 100);
                }
            }
            let now_ms = newest * 100 + later_ms;
            let want: Vec<_> = (0..7)
                .map(|index| now_ms / 100 + 1 + index)
                .map(|n| counted.iter().filter(|bucket| **bucket + 7 == n).count() as u16)
                .collect();
            prop_assert_eq!(ring.until(now_ms).to_vec(), want);
        }
    }
}
