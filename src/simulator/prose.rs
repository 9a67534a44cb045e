//! The sentences of the simulated model: chosen by a hash of the request, never made from the prompt's words.

use super::dice::Dice;

const OPENERS: [&str; 12] = [
    "Here is a short answer.",
    "Sure, happy to help with that.",
    "Good question.",
    "Let me put it briefly.",
    "I looked at this from a few sides.",
    "That can be answered simply.",
    "Thanks for the context.",
    "The short version is this.",
    "I considered the options first.",
    "This one has a clear answer.",
    "Let us start with the essentials.",
    "I can help with that.",
];

const BODIES: [&str; 16] = [
    "The simplest approach tends to work best here, and it is easy to check afterwards.",
    "Most of the effect comes from one small change, so that is where I would begin.",
    "Two details matter more than the rest: the order of the steps and what happens when one of them fails.",
    "I would keep the current structure and adjust only the part that causes the delay.",
    "A measured comparison of both variants would settle it within minutes.",
    "It helps to write down the expected result before changing anything.",
    "The usual recommendation is to begin with the defaults and refine them later.",
    "There are several good solutions, and the smallest one is enough for this case.",
    "What you describe is common, and the fix is well understood.",
    "The answer depends on how often the value changes; for rare changes a plain table is fine.",
    "Breaking the task into three parts makes each of them straightforward.",
    "Reading the inputs once and reusing them avoids nearly all of the extra work.",
    "The main risk is a hidden assumption about ordering, so I would test that first.",
    "Both readings are possible, and the second one fits the facts better.",
    "A small example shows it well: start with one element, then add a second and compare.",
    "Nothing unusual stands out, which is a good sign at this stage.",
];

const CLOSERS: [&str; 10] = [
    "Tell me if you would like more detail.",
    "I can expand on any step.",
    "That should be enough to get going.",
    "From there the rest follows.",
    "Let me know how it turns out.",
    "If something looks off, send me the exact output.",
    "The remaining steps are routine.",
    "I would revisit it once the numbers are in.",
    "Everything else can stay as it is.",
    "Shall I go on with the next part?",
];

const AFTER_TOOL: [&str; 6] = [
    "The tool has answered, and its result is what I expected.",
    "I have read the result of the tool call.",
    "The tool call went through.",
    "With the result of the tool at hand the picture is complete.",
    "The output of the tool settles the question.",
    "Thanks, the tool gave me what was missing.",
];

const SUMMARIES: [&str; 6] = [
    "**Weighing the request**\n\nI compare the possible answers and keep the shortest one that is complete.",
    "**Planning the answer**\n\nFirst the essentials, then one concrete detail, then a closing remark.",
    "**Checking the details**\n\nThe request is clear, so no further question is needed before answering.",
    "**Sorting the options**\n\nSeveral approaches fit; the simplest one also has the fewest risks.",
    "**Looking at the context**\n\nNothing in the conversation contradicts the obvious reading.",
    "**Choosing a form**\n\nA brief reply serves best here, without a list.",
];

const REFUSALS: [&str; 4] = [
    "I cannot help with that.",
    "I am sorry, but I will not do that.",
    "That is something I have to decline.",
    "I have to refuse this request.",
];

const TOPICS: [&str; 6] = [
    "state of the simulation",
    "release notes of the week",
    "how to measure a cache",
    "opening hours of the library",
    "history of the bicycle",
    "weather at the coast",
];

/// A sentence or three.
pub(super) fn answer(after_tool: bool, dice: &mut Dice) -> String {
    let opener = if after_tool { dice.pick(&AFTER_TOOL) } else { dice.pick(&OPENERS) };
    let body = dice.pick(&BODIES);
    let closer = dice.pick(&CLOSERS).filter(|_| dice.below(2) == 0);
    let all: Vec<&str> = [opener, body, closer].into_iter().flatten().copied().collect();
    all.join(" ")
}

/// Exactly `count` deltas of plain text.
pub(super) fn deltas(count: usize, dice: &mut Dice) -> Vec<String> {
    let mut out = Vec::with_capacity(count);
    while out.len() < count {
        let sentence = dice.pick(&BODIES).copied().unwrap_or("Done.");
        out.extend(split(sentence));
        if let Some(last) = out.last_mut() {
            last.push(' ');
        }
    }
    out.truncate(count);
    if let Some(last) = out.last_mut() {
        last.truncate(last.trim_end().len());
    }
    out
}

/// A text in deltas of about a word, each but the first with the space before it.
pub(super) fn split(text: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut start = 0;
    for (at, c) in text.char_indices() {
        if c == ' ' && at > start {
            out.push(text[start..at].to_owned());
            start = at;
        }
    }
    if start < text.len() {
        out.push(text[start..].to_owned());
    }
    out
}

/// A text in `count` deltas of about equal length, fewer when it has fewer characters.
pub(super) fn split_into(text: &str, count: usize) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let count = count.clamp(1, chars.len().max(1));
    (0..count).map(|n| chars[n * chars.len() / count..(n + 1) * chars.len() / count].iter().collect()).collect()
}

/// What a reasoning summary says.
pub(super) fn summary(dice: &mut Dice) -> &'static str {
    dice.pick(&SUMMARIES).copied().unwrap_or("**Thinking**")
}

/// How the model declines.
pub(super) fn refusal(dice: &mut Dice) -> &'static str {
    dice.pick(&REFUSALS).copied().unwrap_or("No.")
}

/// What a search is about.
pub(super) fn topic(dice: &mut Dice) -> &'static str {
    dice.pick(&TOPICS).copied().unwrap_or("topic")
}
