// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// A robot in C++: it receives ahead of time which keys to strike, and strikes each in time.
//
//   robot --ros-args -r __ns:=/improv
//   robot --ros-args -r __ns:=/improv -r performed_notes:=strikes           # strikers, not keys
//   robot --ros-args -r __ns:=/improv -r performed_notes:=generated_notes   # without a body file
//
// Put the code for your hardware into strike() and release().

#include <chrono>
#include <map>
#include <memory>
#include <set>
#include <string>

#include <rclcpp/rclcpp.hpp>
#include <std_msgs/msg/string.hpp>

#include "event_text.hpp"

class Robot : public rclcpp::Node
{
public:
  Robot()
  : Node("robot")
  {
    subscription_ = create_subscription<std_msgs::msg::String>(
      "performed_notes", 100, [this](const std_msgs::msg::String & message) {receive(message);});
    timer_ = create_wall_timer(std::chrono::milliseconds(1), [this] {play_due();});
  }

private:
  void strike(int key, int velocity)
  {
    RCLCPP_INFO(get_logger(), "strike %d with velocity %d", key, velocity);
  }

  void release(int key) {RCLCPP_INFO(get_logger(), "release %d", key);}

  void receive(const std_msgs::msg::String & message)
  {
    try {
      for (auto & event : reader_.read(message.data)) {
        const auto time = event.time;
        // A clear withdraws all events at or after its time, and is then scheduled itself.
        if (event.clears()) {schedule_.erase(schedule_.lower_bound(time), schedule_.end());}
        schedule_.emplace(time, std::move(event));
      }
    } catch (const improv::Malformed & error) {
      RCLCPP_WARN(get_logger(), "message skipped: %s", error.what());
    }
  }

  void play_due()
  {
    const auto now = get_clock()->now().nanoseconds();
    while (!schedule_.empty() && schedule_.begin()->first <= now) {
      const auto event = schedule_.extract(schedule_.begin()).mapped();
      if (event.begins_note()) {
        strike(event.pitch(), event.velocity());
        held_.insert(event.pitch());
      } else if (event.ends_note()) {
        if (held_.erase(event.pitch())) {release(event.pitch());}
      } else if (event.clears()) {
        for (const int key : held_) {release(key);}
        held_.clear();
      }
    }
  }

  improv::StreamReader reader_;
  std::multimap<std::int64_t, improv::Event> schedule_;
  std::set<int> held_;
  rclcpp::Subscription<std_msgs::msg::String>::SharedPtr subscription_;
  rclcpp::TimerBase::SharedPtr timer_;
};

int main(int argc, char ** argv)
{
  rclcpp::init(argc, argv);
  rclcpp::spin(std::make_shared<Robot>());
  rclcpp::shutdown();
  return 0;
}
