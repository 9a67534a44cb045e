//! Freshness, what replaces what, and which row counts.

use super::*;

const NOW: Timestamp = Timestamp::from_secs(1_795_000_000);

fn at(secs: i64) -> Timestamp {
    Timestamp::from_secs(NOW.as_secs().saturating_add_signed(secs))
}

fn window(used_percent: f64, minutes: u64, reset: Option<i64>) -> Window {
    Window { used_percent, minutes, reset_at: reset.map(at) }
}

fn row(source: Source, window: Window, observed: i64) -> Row {
    Row::new(source, window, at(observed))
}

#[test]
fn the_duration_alone_says_what_a_window_is() {
    for (minutes, kind, monthly) in [
        (1, Kind::Primary, false),
        (300, Kind::Primary, false),
        (1440, Kind::Primary, false),
        (1441, Kind::Secondary, false),
        (10_080, Kind::Secondary, false),
        (20_160, Kind::Secondary, false),
        (40_319, Kind::Secondary, false),
        (40_320, Kind::Primary, true),
        (43_200, Kind::Primary, true),
    ] {
        let window = window(1.0, minutes, None);
        assert_eq!((window.kind(), window.is_monthly()), (kind, monthly), "{minutes}");
    }
}

#[test]
fn a_row_is_believed_for_a_quarter_of_an_hour_and_never_past_its_reset() {
    let fresh = |observed, reset| row(Source::Headers, window(5.0, 300, reset), observed).is_fresh(NOW);
    for (observed, reset, expected) in [
        (0, Some(60), true),
        (-899, Some(60), true),
        (-900, Some(60), false),
        (0, Some(0), false),
        (0, Some(-60), false),
        (-1, None, true),
        (300, Some(3600), true),
        (301, Some(3600), false),
    ] {
        assert_eq!(fresh(observed, reset), expected, "{observed} {reset:?}");
    }
}

/// What a row says after all that was told, each at so many seconds: used, reset.
fn after(told: &[(i64, f64, Option<i64>)]) -> (f64, Option<Timestamp>) {
    let mut rows = Vec::new();
    for (secs, used, reset) in told {
        take_over(&mut rows, Source::Headers, window(*used, 300, *reset), at(*secs));
    }
    assert_eq!(rows.len(), 1);
    (rows[0].window.used_percent, rows[0].window.reset_at)
}

#[test]
fn a_window_may_fill_up_at_once_but_empties_early_only_when_that_is_told_for_a_while() {
    let (old, new) = (Some(3600), Some(18_000));
    for (told, used) in [
        (vec![(0, 5.0, old), (1, 80.0, old)], 80.0),
        (vec![(0, 80.0, old), (1, 80.0, old)], 80.0),
        // Once, or twice in a moment: an answer that was overtaken.
        (vec![(0, 80.0, old), (1, 3.0, new)], 80.0),
        (vec![(0, 80.0, old), (1, 3.0, new), (60, 4.0, new)], 80.0),
        // For three minutes.
        (vec![(0, 80.0, old), (1, 3.0, new), (180, 4.0, new)], 80.0),
        (vec![(0, 80.0, old), (1, 3.0, new), (181, 4.0, new)], 4.0),
        // Contradicted in between.
        (vec![(0, 80.0, old), (1, 3.0, new), (90, 81.0, old), (181, 4.0, new)], 81.0),
        (vec![(0, 80.0, old), (1, 3.0, new), (90, 81.0, old), (181, 4.0, new), (361, 4.0, new)], 4.0),
        // Of another window each time.
        (vec![(0, 80.0, old), (1, 3.0, new), (181, 4.0, Some(50_000))], 80.0),
        (vec![(0, 80.0, old), (1, 3.0, new), (181, 4.0, None)], 80.0),
        // A window that nobody uses begins with each look at it.
        (vec![(0, 80.0, old), (1, 0.0, Some(18_001)), (400, 0.0, Some(18_400))], 0.0),
        // Past the reset, or when the row is stale, there is nothing to confirm.
        (vec![(0, 80.0, old), (3600, 3.0, Some(21_600))], 3.0),
        (vec![(0, 80.0, old), (900, 3.0, new)], 3.0),
    ] {
        assert_eq!(after(&told).0, used, "{told:?}");
    }
}

#[test]
fn each_way_of_telling_has_a_row_of_its_own_for_each_kind() {
    let mut rows = Vec::new();
    for source in [Source::Event, Source::Headers, Source::Headers] {
        take_over(&mut rows, source, window(5.0, 300, Some(60)), NOW);
        take_over(&mut rows, source, window(5.0, 10_080, Some(60)), NOW);
    }
    assert_eq!(rows.len(), 4);
}

/// The used percent of the primary row that counts.
fn chosen(rows: &[Row]) -> Option<f64> {
    select(rows, NOW)[0].map(|row| row.window.used_percent)
}

#[test]
fn of_several_rows_the_fresh_then_the_fullest_then_the_best_told_counts() {
    let (fresh, stale) = (-1, -1000);
    let full = row(Source::Usage, window(90.0, 300, Some(3600)), fresh);
    for (other, expected) in [
        (row(Source::Event, window(10.0, 300, Some(3600)), fresh), 90.0),
        (row(Source::Event, window(99.0, 300, Some(3600)), fresh), 99.0),
        (row(Source::Event, window(99.0, 300, Some(3600)), stale), 90.0),
        (row(Source::Event, window(99.0, 300, Some(-1)), fresh), 90.0),
        (row(Source::Event, window(99.0, 10_080, Some(3600)), fresh), 90.0),
    ] {
        assert_eq!(chosen(&[full, other]), Some(expected), "{other:?}");
        assert_eq!(chosen(&[other, full]), Some(expected), "{other:?}");
    }
    // As full: with a reset before without, then the later reset, then who told it.
    let same = |source, reset| row(source, window(90.0, 300, reset), fresh);
    let winner = |a: Row, b: Row| {
        let rows = [a, b];
        *select(&rows, NOW)[0].unwrap()
    };
    let known = same(Source::Usage, Some(3600));
    assert_eq!(winner(known, same(Source::Event, None)), known);
    assert_eq!(winner(same(Source::Event, Some(3000)), known), known);
    let event = same(Source::Event, Some(3600));
    assert_eq!((winner(event, known), winner(known, event)), (event, event));
    let headers = same(Source::Headers, Some(3600));
    assert_eq!((winner(event, headers), winner(headers, known)), (event, headers));
}

#[test]
fn a_stale_row_of_a_window_long_gone_does_not_count() {
    let stale = row(Source::Event, window(100.0, 300, Some(100)), -1000);
    assert_eq!(chosen(&[stale]), Some(100.0), "there is nothing else");
    let near = row(Source::Headers, window(1.0, 300, Some(3700)), -5);
    assert_eq!(chosen(&[stale, near]), Some(1.0), "fresh counts first anyway");
    let rows = [stale, row(Source::Headers, window(1.0, 300, Some(3701)), -5)];
    assert_eq!(select_kind(&rows[..1], Kind::Primary, NOW), Some(&rows[0]));
    assert_eq!(select_kind(&rows, Kind::Primary, NOW), Some(&rows[1]));
}

#[test]
fn a_primary_window_that_is_not_told_any_more_is_gone() {
    let primary = |observed| row(Source::Headers, window(50.0, 300, Some(3600)), observed);
    let weekly = |observed| row(Source::Headers, window(5.0, 10_080, Some(36_000)), observed);
    assert_eq!(select(&[primary(-1000), weekly(-101)], NOW)[0].map(|row| row.observed_at), Some(at(-1000)));
    assert_eq!(select(&[primary(-1000), weekly(-100)], NOW)[0], None);
    assert_eq!(select(&[primary(-899), weekly(0)], NOW)[0].map(|row| row.observed_at), Some(at(-899)), "still fresh");
    assert!(select(&[primary(-1000), weekly(-100)], NOW)[1].is_some());
}

#[test]
fn precedence_is_that_of_the_source_unless_the_end_is_unknown() {
    let of = |source, reset| row(source, window(1.0, 300, reset), 0).precedence();
    let sources = [Source::Event, Source::Headers, Source::Refusal, Source::Usage];
    assert_eq!(sources.map(|source| of(source, Some(1))), [90, 80, 80, 60]);
    assert_eq!(sources.map(|source| of(source, None)), [-20; 4]);
}
