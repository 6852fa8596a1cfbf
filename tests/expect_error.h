// Catches the lacuna::Error that an action is expected to throw, so that a test can look at it.
#pragma once

#include <string>

#include "catch.h"
#include "lacuna/base/error.h"

/// Fails the test unless `action` throws an Error of this kind whose text holds `fragment`.
template <class Action>
void expect_error(lacuna::ErrorKind kind, const std::string& fragment, Action action) {
  std::string text;
  bool right_kind = false;
  try {
    action();
    text = "(nothing was thrown)";
  } catch (const lacuna::Error& error) {
    text = error.what();
    right_kind = error.kind() == kind;
  }
  INFO(text);
  CHECK(right_kind);
  CHECK(text.find(fragment) != std::string::npos);
}
