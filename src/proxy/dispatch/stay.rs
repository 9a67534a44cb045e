//! Which candidates a turn on a websocket has, of those in its plan: a pure function.

use pooler_filter::{AccountId, Candidate, Reason, Reject};

/// A turn that continues what was given over the line to this account can go nowhere else; any other goes there first, unless the account
/// failed lately.
///
/// # Errors
/// 400 `previous_response_not_found`: the account cannot serve the turn.
pub(super) fn stay(plan: &mut Vec<Candidate>, at: Option<AccountId>, continues: bool) -> Result<(), Reject> {
    let at = at.and_then(|account| plan.iter().position(|candidate| candidate.account == account));
    match at {
        Some(at) if continues => *plan = vec![plan.swap_remove(at)],
        None if continues => return Err(Reject::previous_response_not_found()),
        Some(at) if plan[at].reason != Reason::Demoted => plan[..=at].rotate_right(1),
        Some(_) | None => {}
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account(n: u8) -> AccountId {
        AccountId::from_bytes([n; 16])
    }

    /// What is left of a plan for the accounts 1 to 4, of which the last one is demoted.
    fn left(at: Option<u8>, continues: bool) -> Option<Vec<u8>> {
        let reason = |n| if n == 4 { Reason::Demoted } else { Reason::Rendezvous };
        let candidate = |n| Candidate { account: account(n), label: "a".into(), reason: reason(n) };
        let mut plan: Vec<Candidate> = (1..=4).map(candidate).collect();
        stay(&mut plan, at.map(account), continues).ok()?;
        Some(plan.iter().map(|candidate| candidate.account.as_bytes()[0]).collect())
    }

    #[test]
    fn a_turn_goes_where_the_last_one_went_and_on_in_the_order_of_the_plan() {
        assert_eq!(left(Some(3), false), Some(vec![3, 1, 2, 4]));
        assert_eq!(left(Some(1), false), Some(vec![1, 2, 3, 4]));
        for elsewhere in [None, Some(9), Some(4)] {
            assert_eq!(left(elsewhere, false), Some(vec![1, 2, 3, 4]), "{elsewhere:?}");
        }
    }

    #[test]
    fn a_turn_that_continues_has_one_account_or_none() {
        assert_eq!(left(Some(3), true), Some(vec![3]));
        assert_eq!(left(Some(4), true), Some(vec![4]), "nobody else could");
        assert_eq!(left(Some(9), true), None);
        assert_eq!(left(None, true), None);
    }
}
