// The terminal on standard error: what it can show, and how wide it is now.
#pragma once

namespace lacuna {

/// Whether standard error is a terminal that obeys escape codes: TERM=dumb says that one does not.
bool terminal_obeys();

/// Whether colours are welcome there: not with NO_COLOR (https://no-color.org).
bool terminal_has_colours();

/// Columns of the terminal at this moment; where it does not tell, what COLUMNS says, or else 80.
int terminal_columns();

}  // namespace lacuna
