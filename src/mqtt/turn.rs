//! Which broker is tried next, and whether to wait before. Pure.

/// What comes after a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Next {
    /// 0 is the first broker, 1 the second.
    pub broker: usize,
    /// Wait before. Without waiting each broker is tried once at most.
    pub wait: bool,
}

/// The brokers take turns: the first is always preferred, and a wait is between two rounds.
#[derive(Debug)]
pub(super) struct Turn {
    brokers: usize,
    failed: [bool; 2],
}

impl Turn {
    /// One broker, or two.
    pub(super) fn new(brokers: usize) -> Self {
        Self { brokers, failed: [false; 2] }
    }

    /// The connection to this broker failed or was lost. `good`: it was a connection that had worked. `redirected`: the
    /// broker asked for another one.
    pub(super) fn after_failure(&mut self, broker: usize, good: bool, redirected: bool) -> Next {
        if good {
            self.failed = [false; 2];
            if !redirected {
                return Next { broker: 0, wait: true };
            }
        }
        self.failed[broker] = true;
        let other = 1 - broker;
        if other < self.brokers && !self.failed[other] {
            return Next { broker: other, wait: false };
        }
        self.failed = [false; 2];
        Next { broker: 0, wait: true }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAIT_FIRST: Next = Next { broker: 0, wait: true };
    const SECOND: Next = Next { broker: 1, wait: false };

    #[test]
    fn one_broker_is_tried_after_each_wait() {
        let mut turn = Turn::new(1);
        for (good, redirected) in [(false, false), (true, false), (false, true), (true, true)] {
            assert_eq!(turn.after_failure(0, good, redirected), WAIT_FIRST);
        }
    }

    #[test]
    fn the_second_is_tried_at_once_and_then_there_is_a_wait() {
        let mut turn = Turn::new(2);
        for _ in 0..3 {
            assert_eq!(turn.after_failure(0, false, false), SECOND);
            assert_eq!(turn.after_failure(1, false, false), WAIT_FIRST);
        }
    }

    #[test]
    fn a_good_connection_that_is_lost_begins_with_the_first() {
        let mut turn = Turn::new(2);
        assert_eq!(turn.after_failure(0, true, false), WAIT_FIRST);
        assert_eq!(turn.after_failure(0, false, false), SECOND);
        assert_eq!(turn.after_failure(1, true, false), WAIT_FIRST);
    }

    #[test]
    fn brokers_that_point_at_each_other_are_waited_for() {
        let mut turn = Turn::new(2);
        assert_eq!(turn.after_failure(0, true, true), SECOND);
        assert_eq!(turn.after_failure(1, false, true), WAIT_FIRST);
        assert_eq!(turn.after_failure(0, false, true), SECOND);
        assert_eq!(turn.after_failure(1, false, true), WAIT_FIRST);
    }
}
