// A robot in C++: it hears ahead of time which keys to strike, and strikes each at its moment.
//
//   robot --ros-args -r __ns:=/improv
//   robot --ros-args -r __ns:=/improv -r performed_notes:=strikes           # strikers, not keys
//   robot --ros-args -r __ns:=/improv -r performed_notes:=generated_notes   # without a body file
//
// Put your hardware into fire() and let_go().

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
      "performed_notes", 100, [this](const std_msgs::msg::String & message) {hear(message);});
    timer_ = create_wall_timer(std::chrono::milliseconds(1), [this] {play_due();});
  }

private:
  void fire(int key, int velocity)
  {
    RCLCPP_INFO(get_logger(), "strike %d with velocity %d", key, velocity);
  }

  void let_go(int key) {RCLCPP_INFO(get_logger(), "let go of %d", key);}

  void hear(const std_msgs::msg::String & message)
  {
    try {
      for (auto & event : reader_.read(message.data)) {
        const auto time = event.time;
        // A clear withdraws what is scheduled from its time on, then takes its place.
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
        fire(event.pitch(), event.velocity());
        down_.insert(event.pitch());
      } else if (event.ends_note()) {
        if (down_.erase(event.pitch())) {let_go(event.pitch());}
      } else if (event.clears()) {
        for (const int key : down_) {let_go(key);}
        down_.clear();
      }
    }
  }

  improv::StreamReader reader_;
  std::multimap<std::int64_t, improv::Event> schedule_;
  std::set<int> down_;
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
