//! The header of a CSV, which says that its columns are the export's.

use houseful_model::show::quoted;

use crate::rows::COLUMNS;

/// Checks a file's first record.
///
/// # Errors
/// What is wrong with it, and whether a spreadsheet may have done that.
pub(super) fn check(cells: &[&str]) -> Result<(), String> {
    if cells == COLUMNS {
        return Ok(());
    }
    let expected = COLUMNS.join(",");
    for (separator, name) in [(";", "semicolons"), ("\t", "tabs"), ("|", "bars")] {
        if cells.join(",").split(separator).count() == COLUMNS.len() {
            return Err(format!(
                "expected columns separated by commas, found {name}, as a spreadsheet may save them; \
                 save it with commas, or take the file from before the spreadsheet"
            ));
        }
    }
    if cells.len() == COLUMNS.len() && cells[0].parse::<i64>().is_ok() {
        return Err(format!("expected the header `{expected}`, found a line without one"));
    }
    let quoted_all = |names: Vec<&str>| {
        names.iter().map(|name| quoted(name).to_string()).collect::<Vec<_>>().join(", ")
    };
    let missing: Vec<_> = COLUMNS.into_iter().filter(|name| !cells.contains(name)).collect();
    let unknown: Vec<_> = cells.iter().copied().filter(|name| !COLUMNS.contains(name)).collect();
    let found = match (missing.is_empty(), unknown.is_empty()) {
        (true, true) if cells.len() > COLUMNS.len() => "one of them twice".to_owned(),
        (true, true) => "them in another order".to_owned(),
        (false, true) => format!("none named {}", quoted_all(missing)),
        (true, false) => format!("also {}", quoted_all(unknown)),
        (false, false) => {
            format!("{}, and none named {}", quoted_all(unknown), quoted_all(missing))
        }
    };
    Err(format!("expected the columns `{expected}`, found {found}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exports_own_header_is_right() {
        assert_eq!(check(&COLUMNS), Ok(()));
    }

    #[test]
    fn each_change_is_named() {
        type Change<'a> = &'a dyn Fn(&mut Vec<&str>);
        let with = |change: Change<'_>| {
            let mut cells = COLUMNS.to_vec();
            change(&mut cells);
            check(&cells).unwrap_err()
        };
        let header =
            "`id,badge_id,pi_id,heard_at,beacons,badge_strength,position,motion,opposite_badge_id`";
        let columns = format!("expected the columns {header}, found ");
        let rows: [(Change<'_>, String); 8] = [
            (
                &|it| it.retain(|name| *name != "heard_at"),
                columns.clone() + r#"none named "heard_at""#,
            ),
            (&|it| it.truncate(7), columns.clone() + r#"none named "motion", "opposite_badge_id""#),
            (&|it| it.push("room"), columns.clone() + r#"also "room""#),
            (&|it| it.push("id"), columns.clone() + "one of them twice"),
            (&|it| it.swap(0, 1), columns.clone() + "them in another order"),
            (
                &|it| it[3] = "Heard at",
                columns.clone() + r#""Heard at", and none named "heard_at""#,
            ),
            (&|it| it[0] = "17", format!("expected the header {header}, found a line without one")),
            (
                &|it| *it = vec![""],
                columns
                    + r#""", and none named "id", "badge_id", "pi_id", "heard_at", "beacons", "badge_strength", "position", "motion", "opposite_badge_id""#,
            ),
        ];
        for (change, want) in rows {
            assert_eq!(with(change), want);
        }
        for (separator, name) in [(";", "semicolons"), ("\t", "tabs")] {
            let error = check(&[&COLUMNS.join(separator)]).unwrap_err();
            let want = format!("expected columns separated by commas, found {name}, as a spread");
            assert!(error.starts_with(&want), "{error}");
        }
    }
}
