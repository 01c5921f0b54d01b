// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// Event text for robots, without dependencies: from live messages to events with times.
//
// docs/event_text.md describes the language. A malformed message throws improv::Malformed.
// improv::StreamReader pairs notes and detects losses like the class of that name in Python. A
// live message has one track: a text with tr_ lines is refused.

#ifndef IMPROV_EVENT_TEXT_HPP
#define IMPROV_EVENT_TEXT_HPP

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace improv
{

constexpr std::int64_t second = 1'000'000'000;

/// A message is not event text; what() names the line and the reason.
class Malformed : public std::runtime_error
{
public:
  Malformed(std::size_t line, const std::string & why)
  : std::runtime_error("line " + std::to_string(line) + ": " + why) {}
};

/// An event at a time in nanoseconds. `values` are all fields of the text, optional ones too; the
/// bytes of the kinds sx, sy and mt are in `data`.
struct Event
{
  std::int64_t time;
  std::string kind;
  std::vector<int> values;
  std::string data;

  bool begins_note() const {return kind == "no" && values[1] > 0;}
  bool ends_note() const {return kind == "nf" || (kind == "no" && values[1] == 0);}
  bool clears() const {return kind == "cl";}
  int pitch() const {return values[0];}
  int velocity() const {return values[1];}
  int channel() const {return values[2];}
};

/// A live message.
struct Message
{
  std::int64_t at = 0;  // ROS time of tick zero, nanoseconds
  std::int64_t sequence = 0;
  std::string publisher;  // its id, may be empty: tells the publishers of a topic apart
  std::vector<Event> events;
};

namespace detail
{

using Fields = std::vector<std::string>;

inline Fields split(const std::string & text, char separator)
{
  Fields parts;
  std::size_t begin = 0;
  for (std::size_t end; (end = text.find(separator, begin)) != std::string::npos; ) {
    parts.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  parts.push_back(text.substr(begin));
  return parts;
}

/// Read a whole number in plain digits; throws std::invalid_argument.
inline std::int64_t number(const std::string & text, std::int64_t low, std::int64_t high)
{
  const bool negative = !text.empty() && text[0] == '-';
  const std::string digits = negative ? text.substr(1) : text;
  const bool plain = !digits.empty() && digits.size() <= 19 &&
    std::all_of(digits.begin(), digits.end(), [](char c) {return c >= '0' && c <= '9';}) &&
    (digits[0] != '0' || text == "0");
  if (!plain) {throw std::invalid_argument("'" + text + "' is not a whole number in plain digits");}
  std::int64_t value = 0;
  for (const char c : digits) {
    const int digit = c - '0';
    if (value > (INT64_MAX - digit) / 10) {
      throw std::invalid_argument(text + " is too large");
    }
    value = 10 * value + digit;
  }
  if (negative) {value = -value;}
  if (value < low || value > high) {
    throw std::invalid_argument(
      text + " is not in " + std::to_string(low) + " to " + std::to_string(high));
  }
  return value;
}

inline std::string bytes(const std::string & hex)
{
  const std::string digits = "0123456789abcdef";
  std::string data;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2) {
    const auto high = digits.find(hex[i]), low = digits.find(hex[i + 1]);
    if (high == std::string::npos || low == std::string::npos) {data.clear(); break;}
    data.push_back(static_cast<char>(16 * high + low));
  }
  if (data.empty() || hex.size() % 2) {
    throw std::invalid_argument("'" + hex + "' is not pairs of digits 0-9 and a-f");
  }
  return data;
}

inline std::string identity(const std::string & text)
{
  if (text.empty() || text.size() > 16 ||
    text.find_first_not_of("0123456789abcdef") != std::string::npos)
  {
    throw std::invalid_argument("'" + text + "' is not 1 to 16 digits 0-9 and a-f");
  }
  return text;
}

inline bool is_ascii(const std::string & data, std::size_t from = 0)
{
  return std::all_of(
    data.begin() + static_cast<std::ptrdiff_t>(std::min(from, data.size())), data.end(),
    [](char c) {return static_cast<unsigned char>(c) < 0x80;});
}

inline std::size_t system_length(unsigned char status)
{
  switch (status) {
    case 0xF1: case 0xF3: return 2;
    case 0xF2: return 3;
    case 0xF6: case 0xF8: case 0xFA: case 0xFB: case 0xFC: case 0xFE: return 1;
    default: return 0;
  }
}

/// A row of the table of kinds: the ranges of its numbers, and whether the last is optional.
struct Kind
{
  std::vector<std::pair<std::int64_t, std::int64_t>> ranges;
  bool last_optional = false;
  bool has_data = false;
  bool data_optional = false;
};

inline const std::map<std::string, Kind> & kinds()
{
  static const std::map<std::string, Kind> table = {
    {"no", {{{0, 127}, {0, 127}, {0, 15}}, true}},
    {"nf", {{{0, 127}, {0, 127}, {0, 15}}, true}},
    {"st", {{{0, 60'000'000}, {0, (1 << 24) - 1}}}},
    {"cc", {{{0, 15}, {0, 127}, {0, 127}}}},
    {"pc", {{{0, 15}, {0, 127}}}},
    {"pw", {{{0, 15}, {-8192, 8191}}}},
    {"ca", {{{0, 15}, {0, 127}}}},
    {"ka", {{{0, 15}, {0, 127}, {0, 127}}}},
    {"sx", {{}, false, true, true}},
    {"sy", {{}, false, true, false}},
    {"mt", {{{0, 255}}, false, true, true}},
    {"cl", {{}}},
  };
  return table;
}

/// Read the fields of an event: delta, kind and values. Its time is not set.
inline Event event(const Fields & fields)
{
  if (fields.size() < 2) {throw std::invalid_argument("an event is <delta>_<kind>_<fields>");}
  const auto row = kinds().find(fields[1]);
  if (row == kinds().end()) {throw std::invalid_argument("there is no kind '" + fields[1] + "'");}
  const Kind & kind = row->second;
  const std::size_t given = fields.size() - 2, numbers = kind.ranges.size();
  const std::size_t most = numbers + kind.has_data;
  if (given > most || given + (kind.last_optional || kind.data_optional) < most) {
    throw std::invalid_argument(fields[1] + " has another number of fields");
  }
  Event event{0, fields[1], {}, {}};
  for (std::size_t i = 0; i < std::min(given, numbers); ++i) {
    const auto [low, high] = kind.ranges[i];
    event.values.push_back(static_cast<int>(number(fields[2 + i], low, high)));
  }
  event.values.resize(numbers, 0);
  if (kind.has_data && given > numbers) {event.data = bytes(fields.back());}
  if (event.kind == "st") {
    const int microseconds = event.values[1];
    if (event.values[0] != (microseconds ? 60'000'000 / microseconds : 0)) {
      throw std::invalid_argument("st has beats per minute and microseconds that disagree");
    }
  }
  if (event.kind == "sx" && !is_ascii(event.data)) {
    throw std::invalid_argument("system exclusive data has a byte over 7f");
  }
  if (event.kind == "sy" &&
    (system_length(static_cast<unsigned char>(event.data[0])) != event.data.size() ||
    !is_ascii(event.data, 1)))
  {
    throw std::invalid_argument("sy is not one whole system message");
  }
  if (event.kind == "mt" && event.values[0] == 0x51) {
    throw std::invalid_argument("a tempo is written st, not mt");
  }
  return event;
}

/// Converts ticks to nanoseconds, with changes of tempo, in exact integers, so without drift.
class Clock
{
public:
  explicit Clock(std::int64_t resolution)
  : unit_(resolution), per_tick_(500'000)
  {
    if (resolution < 0) {  // SMPTE: frames per second and ticks per frame, one byte each
      const std::int64_t frames = -(resolution >> 8), ticks = resolution & 0xFF;
      unit_ = frames == 29 ? 30 * ticks : frames * ticks;
      per_tick_ = frames == 29 ? 1'001'000 : 1'000'000;
    }
    if (unit_ == 0) {throw Malformed(1, "the resolution gives a tick no length");}
    follows_tempo_ = resolution > 0;
  }

  void advance(std::int64_t ticks)
  {
    // Above the longest delta that is allowed, at any tempo, so that no product overflows.
    const std::int64_t most = 3'700'000'000 * unit_;
    if (per_tick_ != 0 && ticks > most / per_tick_) {
      throw std::invalid_argument("the delta is over 3600 seconds");
    }
    const std::int64_t before = time();
    parts_ += ticks * per_tick_;
    microseconds_ += parts_ / unit_;
    parts_ %= unit_;
    if (time() - before > 3600 * second) {
      throw std::invalid_argument("the delta is over 3600 seconds");
    }
  }

  void tempo(std::int64_t microseconds) {if (follows_tempo_) {per_tick_ = microseconds;}}

  std::int64_t time() const
  {
    return microseconds_ * 1000 + (parts_ * 2000 + unit_) / (2 * unit_);
  }

private:
  std::int64_t unit_, per_tick_;
  std::int64_t microseconds_ = 0, parts_ = 0;  // elapsed: microseconds, and parts/unit of one
  bool follows_tempo_ = true;
};

}  // namespace detail

/// Read a live message; throws Malformed. st and mt are left out of the events.
inline Message parse(const std::string & text)
{
  using detail::number;
  if (text.size() > 64 * 1024) {throw Malformed(1, "the text is over 65536 bytes");}
  auto lines = detail::split(text, '\n');
  if (lines.back().empty()) {lines.pop_back();}
  if (lines.empty() || lines[0].compare(0, 3, "rs_") != 0) {
    throw Malformed(1, "a text begins with rs_<resolution>");
  }
  Message message;
  std::map<std::string, std::vector<std::int64_t>> header;
  std::size_t line = 0;
  std::optional<detail::Clock> clock;
  try {
    for (; line < lines.size(); ++line) {
      const auto fields = detail::split(lines[line], '_');
      const bool rs = fields[0] == "rs", at = fields[0] == "at", sq = fields[0] == "sq";
      const bool id = fields[0] == "id";
      if (!rs && !at && !sq && !id) {break;}
      if (header.count(fields[0])) {throw std::invalid_argument(fields[0] + " is there twice");}
      if (fields.size() != (at ? 3u : 2u)) {
        throw std::invalid_argument(fields[0] + " has another number of fields");
      }
      auto & values = header[fields[0]];
      if (rs) {
        values = {number(fields[1], -(1 << 15), (1 << 15) - 1)};
      } else if (at) {
        values = {number(fields[1], 0, INT64_MAX / second - 1), number(fields[2], 0, second - 1)};
      } else if (sq) {
        values = {number(fields[1], 0, INT64_MAX)};
      } else {
        message.publisher = detail::identity(fields[1]);
      }
    }
    clock.emplace(header["rs"][0]);
    if (!header.count("at") || !header.count("sq")) {
      throw Malformed(1, "a live message needs at and sq");
    }
    message.at = header["at"][0] * second + header["at"][1];
    message.sequence = header["sq"][0];
    if (lines.size() - line > 4096) {
      throw Malformed(line + 4097, "there are more than 4096 events");
    }
    for (; line < lines.size(); ++line) {
      const auto fields = detail::split(lines[line], '_');
      const std::int64_t delta = number(fields[0], 0, INT64_MAX);
      Event event = detail::event(fields);
      clock->advance(delta);
      if (clock->time() > INT64_MAX - message.at) {
        throw std::invalid_argument("the time is over 64 bits of nanoseconds");
      }
      event.time = message.at + clock->time();
      if (event.kind == "st") {
        clock->tempo(event.values[1]);
      } else if (event.kind != "mt") {
        message.events.push_back(std::move(event));
      }
    }
  } catch (const std::invalid_argument & error) {
    throw Malformed(line + 1, error.what());
  }
  return message;
}

/// Turns the messages of one publisher into events. Each note-on is followed by one note-off before
/// the next note-on of its key, or by a cl. Counts lost and repeated messages, and restarts.
class StreamReader
{
public:
  std::int64_t lost = 0, restarts = 0, duplicates = 0, unmatched = 0;

  /// Return the events of a message in the order of time; throws Malformed with no other effect.
  std::vector<Event> read(const std::string & text)
  {
    Message message = parse(text);
    std::vector<Event> events;
    if (next_ && message.sequence != *next_) {
      if (message.sequence > *next_) {
        lost += message.sequence - *next_;
      } else if (is_repeated(message.sequence, message.at)) {
        ++duplicates;
        return {};
      } else {
        ++restarts;
        lost += message.sequence;
        times_.clear();
      }
      events = close(message.at);
    }
    next_ = message.sequence + 1;
    times_.emplace_back(message.sequence, message.at);
    if (times_.size() > 256) {times_.erase(times_.begin());}
    for (Event & event : message.events) {match(std::move(event), events);}
    return events;
  }

  /// Return the events that release all notes and pedals, at `time` or at their press if later.
  std::vector<Event> close(std::int64_t time)
  {
    std::vector<Event> events;
    for (const auto & [key, began] : sounding_) {
      events.push_back({std::max(time, began), "no", {key.second, 0, key.first}, {}});
    }
    for (const auto & [pedal, pressed] : pedals_) {
      events.push_back({std::max(time, pressed), "cc", {pedal.first, pedal.second, 0}, {}});
    }
    sounding_.clear();
    pedals_.clear();
    std::stable_sort(
      events.begin(), events.end(),
      [](const Event & a, const Event & b) {return a.time < b.time;});
    return events;
  }

private:
  bool is_repeated(std::int64_t sequence, std::int64_t at) const
  {
    for (const auto & [number, time] : times_) {
      if (number == sequence) {return time == at;}
    }
    const auto & [latest, latest_at] = times_.back();
    return sequence > std::max<std::int64_t>(0, latest - 256) && at < latest_at;
  }

  static bool is_pedal(int controller)  // sustain, sostenuto, soft, hold 2
  {
    return controller == 64 || controller == 66 || controller == 67 || controller == 69;
  }

  void match(Event event, std::vector<Event> & events)
  {
    if (event.begins_note()) {
      const auto key = std::make_pair(event.channel(), event.pitch());
      const auto found = sounding_.find(key);
      if (found != sounding_.end()) {
        const auto end = std::max(found->second, event.time);
        events.push_back({end, "no", {event.pitch(), 0, event.channel()}, {}});
      }
      sounding_[key] = event.time;
    } else if (event.ends_note()) {
      if (!sounding_.erase({event.channel(), event.pitch()})) {
        ++unmatched;
        return;
      }
    } else if (event.clears()) {
      sounding_.clear();
    } else if (event.kind == "cc" && is_pedal(event.values[1])) {
      const auto pedal = std::make_pair(event.values[0], event.values[1]);
      if (event.values[2]) {
        pedals_[pedal] = event.time;
      } else {
        pedals_.erase(pedal);
      }
    }
    events.push_back(std::move(event));
  }

  std::optional<std::int64_t> next_;
  std::vector<std::pair<std::int64_t, std::int64_t>> times_;  // of latest messages, by number
  std::map<std::pair<int, int>, std::int64_t> sounding_;  // (channel, pitch): when it began
  std::map<std::pair<int, int>, std::int64_t> pedals_;  // (channel, controller): when pressed
};

}  // namespace improv

#endif  // IMPROV_EVENT_TEXT_HPP
