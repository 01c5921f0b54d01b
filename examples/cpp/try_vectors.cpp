// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// Reads the test vectors of the Python parser, and reports where this parser differs:
//   try_vectors test/vectors/event_text.txt

#include <fstream>
#include <iostream>
#include <sstream>

#include "event_text.hpp"

static std::string written(const improv::Event & event)
{
  std::ostringstream text;
  text << event.time << ' ' << event.kind;
  for (const int value : event.values) {text << ' ' << value;}
  if (!event.data.empty()) {
    text << ' ' << std::hex;
    for (const char c : event.data) {
      const int byte = static_cast<unsigned char>(c);
      text << (byte < 16 ? "0" : "") << byte;
    }
  }
  return text.str();
}

int main(int argc, char ** argv)
{
  std::ifstream file(argc > 1 ? argv[1] : "");
  if (!file) {
    std::cerr << "name the file of vectors\n";
    return 2;
  }
  improv::StreamReader reader;
  std::string name, text, expected;
  bool in_message = false;
  int read = 0, wrong = 0;
  for (std::string line; std::getline(file, line); ) {
    if (line.rfind("case ", 0) == 0) {
      name = line.substr(5);
      reader = improv::StreamReader();
    } else if (line == "message") {
      in_message = true;
      text.clear();
    } else if (line == "events" || line == "refused") {
      in_message = false;
      expected = line == "refused" ? "refused\n" : "";
    } else if (line == "end") {
      std::string found;
      try {
        for (const auto & event : reader.read(text)) {found += written(event) + "\n";}
      } catch (const improv::Malformed &) {
        found = "refused\n";
      }
      ++read;
      if (found != expected) {
        ++wrong;
        std::cerr << name << ": expected\n" << expected << "but found\n" << found;
      }
    } else if (in_message) {
      text += line + "\n";
    } else if (!line.empty() && line[0] != '#') {
      expected += line + "\n";
    }
  }
  std::cout << read << " messages, " << wrong << " wrong\n";
  return wrong || !read ? 1 : 0;
}
