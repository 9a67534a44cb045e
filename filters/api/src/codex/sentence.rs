//! Our sentence for each error code: the provider's own text is never relayed on `/v1` (docs/decisions.md, E7).

use std::borrow::Cow;
use std::time::Duration;

/// What a sentence may tell beyond its code.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts {
    /// Context window of the model, in tokens.
    pub context_window: Option<u64>,
    /// How long the provider asks to wait.
    pub wait: Option<Duration>,
}

/// The sentence for a code. Clients match the words of `context_length_exceeded` and `Please try again in <n>s.`
#[must_use]
pub fn sentence(code: &str, facts: Facts) -> Cow<'static, str> {
    Cow::Borrowed(match code {
        "context_length_exceeded" => return context_window(facts.context_window),
        "rate_limit_exceeded" | "upstream_rate_limited" | "slow_down" => return rate_limited(facts.wait),
        "model_not_found" => "This model is not available on the plan of the upstream account.",
        "content_policy_violation" | "cyber_policy" | "bio_policy" => {
            "The request was refused by the provider's content policy."
        }
        "misalignment_policy_violation" => "This request was blocked due to a misalignment policy violation.",
        "invalid_prompt" => "The provider rejected the prompt as invalid.",
        "usage_limit_reached" | "insufficient_quota" => "The upstream account has reached its usage limit.",
        "usage_not_included" => "The plan of the upstream account does not include this usage.",
        "server_is_overloaded" | "overloaded_error" => "The provider is overloaded at the moment.",
        "upstream_request_timeout" | "stream_idle_timeout" => "The provider did not answer in time.",
        "stream_incomplete" => "The answer of the provider ended before it was complete.",
        "quota_exhausted" => "All accounts of this pool have used up their quota until the reset time.",
        "gateway_reservation_failed" => "gateway request reservation failed",
        "no_eligible_backend" => "no healthy eligible backend is currently available",
        "no_compatible_backend" => "no backend currently supports the requested model capabilities",
        _ => "The upstream request failed.",
    })
}

fn context_window(tokens: Option<u64>) -> Cow<'static, str> {
    const FIRST: &str = "Your input exceeds the context window of this model.";
    match tokens {
        Some(n) => format!("{FIRST} This model's maximum context length is {n} tokens.").into(),
        None => format!("{FIRST} This model's maximum context length is exceeded.").into(),
    }
}

fn rate_limited(wait: Option<Duration>) -> Cow<'static, str> {
    const FIRST: &str = "The provider is limiting the rate of requests.";
    match wait {
        Some(wait) => {
            let seconds = (wait.as_secs_f64() * 10.0).ceil() / 10.0;
            format!("{FIRST} Please try again in {seconds}s.").into()
        }
        None => FIRST.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn context_overflow_keeps_the_words_that_clients_match() {
        let with = |context_window| sentence("context_length_exceeded", Facts { context_window, ..Facts::default() });
        assert_eq!(
            with(Some(272_000)),
            "Your input exceeds the context window of this model. This model's maximum context length is 272000 tokens."
        );
        assert!(with(None).ends_with("This model's maximum context length is exceeded."));
    }

    #[test]
    fn a_known_delay_is_told_in_the_form_that_codex_parses() {
        let wait = Some(Duration::from_millis(1300));
        let text = sentence("rate_limit_exceeded", Facts { wait, ..Facts::default() });
        assert!(text.ends_with("Please try again in 1.3s."), "{text}");
        assert!(!sentence("slow_down", Facts::default()).contains("again"));
    }

    #[test]
    fn an_unknown_code_says_no_more_than_that_it_failed() {
        assert_eq!(sentence("whatever_they_said", Facts::default()), "The upstream request failed.");
    }
}
