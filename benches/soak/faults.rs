//! What goes wrong upstream: another mixture every few seconds, and now and then nothing.
//!
//! Nothing here ends a login or an account for good, so that there is something to serve to the end.

use std::time::Duration;

use codex_pooler::simulator::{Fault, FaultSpec, Preset, Simulator, SocketAct, SocketFault, Who};

use super::dice::Dice;

/// How long a mixture lasts.
const TURN: Duration = Duration::from_secs(3);
/// Between two events, always: what is cut has to be on its way for a while.
const PACE: Duration = Duration::from_millis(2);

/// Changes the faults until it is dropped.
pub(super) async fn run(simulator: &Simulator, mut dice: Dice) {
    loop {
        simulator.clear_faults();
        simulator.fault(Who::All, Fault::Pace(PACE));
        for _ in 0..dice.below(4) {
            inject(simulator, &mut dice);
        }
        if dice.below(4) == 0 {
            // Its next request is refused with 401, and its login refreshed; the first try of that may fail.
            if dice.below(3) == 0 {
                simulator.inject(FaultSpec::new(Who::All, Fault::Refresh500).times(1));
            }
            simulator.expire_access(dice.below(simulator.accounts().len()));
        }
        tokio::time::sleep(TURN).await;
    }
}

fn inject(simulator: &Simulator, dice: &mut Dice) {
    let account = dice.below(simulator.accounts().len());
    let who = if dice.below(3) == 0 { Who::All } else { Who::Account(account) };
    let times = u32::try_from(1 + dice.below(20)).unwrap_or(1);
    simulator.inject(FaultSpec::new(who, any(dice)).times(times));
}

fn any(dice: &mut Dice) -> Fault {
    let after_events = dice.below(12);
    let pause = Duration::from_millis(200 + u64::try_from(dice.below(2_000)).unwrap_or(0));
    match dice.below(22) {
        0 => Fault::UsageLimit { resets_in: Duration::from_secs(2) },
        1 => Fault::Preset(Preset::RateLimited),
        2 => Fault::Preset(Preset::RateLimitedRetryAfter),
        3 => Fault::Preset(Preset::ServerError),
        4 => Fault::Preset(Preset::ServerIsOverloaded),
        5 => Fault::Preset(Preset::Unavailable),
        6 => Fault::Preset(Preset::Unauthorized),
        7 => Fault::Preset(Preset::BadRequest),
        8 => Fault::HangUp { reset: dice.below(2) == 0 },
        9 => Fault::EmptyBody,
        10 => Fault::SlowFirstByte(pause),
        11 => Fault::SilentAfterHeaders(pause),
        12 => Fault::Stall { after_events, pause },
        13 => Fault::Cut { after_events },
        14 => Fault::Reset { after_events },
        15 => Fault::overloaded_in_stream(),
        16 => Fault::NoTerminal,
        17 => Fault::GarbageBlock,
        18 => Fault::MissingUsage,
        19 => Fault::OneByteChunks,
        20 => Fault::Handshake(Box::new(Fault::Preset(Preset::ServerError))),
        _ => {
            let act = SocketAct::Close { code: Some(1011), reason: String::new() };
            Fault::Socket(SocketFault { after_events, act })
        }
    }
}
