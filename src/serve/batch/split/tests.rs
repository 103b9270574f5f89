use houseful_model::wire::DEPTH_MAX;
use proptest::prelude::*;

use super::oracle::{check, cut, whole};
use super::*;

fn forms() -> impl Strategy<Value = Option<Form>> {
    prop_oneof![Just(None), Just(Some(Form::Array)), Just(Some(Form::Lines))]
}

/// Bytes that make up bodies, good and bad ones.
fn rubble() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        5 => "[\\[\\]{},:\" \n\r\\\\a1]{0,6}".prop_map(String::into_bytes),
        2 => Just(br#"{"a":"]}\"","b":[{}]}"#.to_vec()),
        1 => Just(BOM.to_vec()),
        1 => (ELEMENT_BYTES_MAX - 3..ELEMENT_BYTES_MAX + 3).prop_map(|len| vec![b'x'; len]),
        1 => (ELEMENT_BYTES_MAX - 3..ELEMENT_BYTES_MAX + 3).prop_map(|len| vec![b' '; len]),
        1 => (100_usize..140).prop_map(|depth| vec![b'['; depth]),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

fn pieces() -> impl Strategy<Value = Vec<usize>> {
    proptest::collection::vec(prop_oneof![1_usize..5, 1_usize..20_000], 1..6)
}

proptest! {
    #[test]
    fn where_pieces_end_makes_no_difference(form in forms(), body in rubble(), pieces in pieces()) {
        check(form, &body, &pieces);
    }

    #[test]
    fn elements_come_out_as_they_went_in(
        elements in proptest::collection::vec(
            prop_oneof![
                Just(r#"{"badge_id": "a]},\"", "b": [[], {"c": "["}]}"#),
                Just("[1, [2], \"]\"]"),
                Just(r#"",\\""#),
                Just("null"),
                Just("-1.5e3"),
            ],
            0..20,
        ),
        space in "[ \n\r\t]{0,3}",
        pieces in pieces(),
    ) {
        let body = format!("{space}[{space}{}{space}]{space}", elements.join(&format!("{space},{space}")));
        let want: Vec<_> = (1..).zip(&elements).map(|(n, text)| (n, Some(text.as_bytes().to_vec()))).collect();
        let (found, end) = cut(None, body.as_bytes(), &pieces);
        prop_assert_eq!(found, want);
        prop_assert_eq!(end, Ok(elements.len() as u64));
    }

    #[test]
    fn lines_are_those_that_line_feeds_end(
        lines in proptest::collection::vec("[{}a \r]{0,6}", 0..20),
        pieces in pieces(),
    ) {
        let body = lines.join("\n");
        let want: Vec<_> = (1..)
            .zip(body.split('\n'))
            .filter(|(_, line)| !line.trim_matches([' ', '\r']).is_empty())
            .map(|(number, line)| (number, Some(line.as_bytes().to_vec())))
            .collect();
        let (found, end) = cut(Some(Form::Lines), body.as_bytes(), &pieces);
        prop_assert_eq!(found, want);
        end.unwrap();
    }
}

#[test]
fn an_array_that_breaks_off_names_the_element() {
    let rows = [
        ("", "line 1: expected a JSON array, found an empty body", 0),
        (" \n", "line 1: expected a JSON array, found an empty body", 0),
        ("{}", "line 1: expected a JSON array (NDJSON is application/x-ndjson), found `{`", 0),
        ("7", "line 1: expected a JSON array, found `7`", 0),
        ("[", "line 1: the array ended early", 0),
        ("[{}", "line 1: the array ended early", 1),
        ("[{},", "line 2: the array ended early", 1),
        ("[{},{", "line 2: the array ended early", 1),
        ("[{},{}", "line 2: the array ended early", 2),
        ("[{},1", "line 2: the array ended early", 1),
        ("[,{}]", "line 1: expected an element, found `,`", 0),
        ("[{},]", "line 2: expected an element, found `]`", 1),
        ("[{},,{}]", "line 2: expected an element, found `,`", 1),
        ("[{} {}]", "line 1: expected `,` or `]`, found `{`", 1),
        ("[{}}]", "line 1: expected `,` or `]`, found `}`", 1),
        ("[{}] x", "line 1: expected nothing after the array, found `x`", 1),
        ("[{}][]", "line 1: expected nothing after the array, found `[`", 1),
        ("[{},\n\u{1}", "line 2: the array ended early", 1),
    ];
    for (body, want, found) in rows {
        let (elements, end) = whole(Some(Form::Array), body.as_bytes());
        let Broken { line, error } = end.expect_err(body);
        assert_eq!(
            (format!("line {line}: {error}").as_str(), elements.len()),
            (want, found),
            "{body}"
        );
    }
    assert_eq!(whole(Some(Form::Array), b"[]"), (Vec::new(), Ok(0)));
}

#[test]
fn lines_that_begin_an_array_are_refused_and_later_ones_are_not() {
    let long = format!("[{}", "x".repeat(ELEMENT_BYTES_MAX));
    let rows = [
        ("[", Some(1)),
        ("\u{feff} [{}]\n", Some(1)),
        ("\n \r\n\t[\n{}\n]", Some(3)),
        (&*long, Some(1)),
        ("{}\n[]", None),
        ("x\n[]", None),
        ("", None),
    ];
    for (body, want) in rows {
        let (found, end) = whole(Some(Form::Lines), body.as_bytes());
        let broken = end.as_ref().err().map(|broken| broken.line);
        assert_eq!(broken, want, "{end:?}");
        assert!(want.is_none() || found.is_empty());
        check(Some(Form::Lines), body.as_bytes(), &[1]);
    }
}

#[test]
fn too_long_ones_are_skipped_and_counted() {
    let long = "x".repeat(ELEMENT_BYTES_MAX + 1);
    let fits = "x".repeat(ELEMENT_BYTES_MAX);
    let texts = |texts: [&str; 4]| {
        let numbered = (1..).zip(texts);
        numbered
            .map(|(number, text)| (number, (text.len() <= ELEMENT_BYTES_MAX).then(|| text.into())))
            .collect::<Vec<_>>()
    };
    let all = [&*long, "{}", &*fits, &*long];
    let body = all.join("\n");
    // Their texts would fill the screen.
    assert!(whole(None, body.as_bytes()) == (texts(all), Ok(4)));
    let body = format!("[{}]", all.join(","));
    // Their texts would fill the screen.
    assert!(whole(None, body.as_bytes()) == (texts(all), Ok(4)));
}

#[test]
fn an_element_may_be_nested_so_deeply_and_no_deeper() {
    for (depth, is_taken) in [(DEPTH_MAX, true), (DEPTH_MAX + 1, false)] {
        let body = format!("[1,{}{}]", "[".repeat(depth), "]".repeat(depth));
        let (found, end) = whole(None, body.as_bytes());
        assert_eq!((found.len(), end.is_ok()), (1 + usize::from(is_taken), is_taken), "{depth}");
    }
}

#[test]
fn without_a_type_the_first_byte_tells() {
    let rows = [
        ("[1]", Some(Form::Array)),
        (" \n\t[1]", Some(Form::Array)),
        ("\u{feff}[1]", Some(Form::Array)),
        ("{}\n[1]", Some(Form::Lines)),
        ("1", Some(Form::Lines)),
        ("  ", None),
        ("", None),
    ];
    for (body, want) in rows {
        assert_eq!(form_of(body.as_bytes()), want, "{body:?}");
    }
    assert_eq!(form_of(&[b' '; ELEMENT_BYTES_MAX]), Some(Form::Lines));
}

#[test]
fn the_seeds_of_the_fuzz_target_pass() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/batch");
    let mut passed = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        let input = std::fs::read(seed.unwrap().path()).unwrap();
        let line = input.iter().position(|byte| *byte == b'\n').unwrap_or(0);
        let (splits, body) = input.split_at(line);
        crate::fuzzing::split(body.get(1..).unwrap_or_default(), splits);
        passed += 1;
    }
    assert!(passed >= 5, "{passed} seeds");
}
