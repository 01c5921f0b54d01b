// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// A peer on a topic of std_msgs/String, as ROS 2 names it on the wire, with or without DDS
// Security: `peer hear|TEXT DDS_TOPIC DOMAIN [ENCLAVE_FOLDER]`. It writes "ready" or "refused: WHY".
// Then it writes each text that it hears; or says TEXT ten times a second until its parent is gone.

#include <unistd.h>

#include <chrono>
#include <cstring>
#include <iostream>
#include <string>
#include <thread>

#include <fastdds/dds/domain/DomainParticipant.hpp>
#include <fastdds/dds/domain/DomainParticipantFactory.hpp>
#include <fastdds/dds/log/Log.hpp>
#include <fastdds/dds/publisher/DataWriter.hpp>
#include <fastdds/dds/publisher/Publisher.hpp>
#include <fastdds/dds/subscriber/DataReader.hpp>
#include <fastdds/dds/subscriber/DataReaderListener.hpp>
#include <fastdds/dds/subscriber/SampleInfo.hpp>
#include <fastdds/dds/subscriber/Subscriber.hpp>
#include <fastdds/dds/topic/TopicDataType.hpp>
#include <fastdds/rtps/transport/UDPv4TransportDescriptor.h>

using namespace eprosima::fastdds::dds;
using eprosima::fastrtps::rtps::InstanceHandle_t;
using eprosima::fastrtps::rtps::SerializedPayload_t;

// std_msgs/String in little-endian CDR: four bytes of header, the length with its final zero, text.
struct StringType : TopicDataType {
  StringType() {
    setName("std_msgs::msg::dds_::String_");
    m_typeSize = 1 << 16;
    m_isGetKeyDefined = false;
  }
  bool serialize(void * data, SerializedPayload_t * payload) override {
    const auto & text = *static_cast<std::string *>(data);
    const std::uint32_t size = text.size() + 1;
    const unsigned char header[] = {0, 1, 0, 0};
    std::memcpy(payload->data, header, 4);
    std::memcpy(payload->data + 4, &size, 4);
    std::memcpy(payload->data + 8, text.c_str(), size);
    payload->encapsulation = CDR_LE;
    payload->length = 8 + size;
    return true;
  }
  bool deserialize(SerializedPayload_t * payload, void * data) override {
    std::uint32_t size = 0;
    if (payload->length < 9) {return false;}
    std::memcpy(&size, payload->data + 4, 4);
    if (size == 0 || size > payload->length - 8) {return false;}
    static_cast<std::string *>(data)->assign(
      reinterpret_cast<char *>(payload->data) + 8, size - 1);
    return true;
  }
  std::function<std::uint32_t()> getSerializedSizeProvider(void * data) override {
    const std::uint32_t size = static_cast<std::string *>(data)->size() + 9;
    return [size] {return size;};
  }
  void * createData() override {return new std::string;}
  void deleteData(void * data) override {delete static_cast<std::string *>(data);}
  bool getKey(void *, InstanceHandle_t *, bool) override {return false;}
};

struct Ears : DataReaderListener {
  void on_data_available(DataReader * reader) override {
    std::string text;
    SampleInfo info;
    while (reader->take_next_sample(&text, &info) == ReturnCode_t::RETCODE_OK) {
      if (info.valid_data) {std::cout << text << std::endl;}
    }
  }
};

int refused(const char * what) {
  std::cout << "refused: " << what << std::endl;
  return 1;
}

int main(int argc, char ** argv) {
  if (argc < 4) {return 2;}
  Log::ClearConsumers();  // they would write between our lines
  std::string text = argv[1];
  const bool says = text != "hear";
  DomainParticipantQos qos;
  qos.transport().use_builtin_transports = false;  // no shared memory: peers may be of two versions
  qos.transport().user_transports.push_back(
    std::make_shared<eprosima::fastdds::rtps::UDPv4TransportDescriptor>());
  if (argc > 4) {  // the properties that rmw_fastrtps sets
    const std::string file = std::string("file://") + argv[4] + "/";
    const std::string auth = "dds.sec.auth.builtin.PKI-DH.";
    const std::string access = "dds.sec.access.builtin.Access-Permissions.";
    auto & properties = qos.properties().properties();
    properties.emplace_back("dds.sec.auth.plugin", "builtin.PKI-DH");
    properties.emplace_back(auth + "identity_ca", file + "identity_ca.cert.pem");
    properties.emplace_back(auth + "identity_certificate", file + "cert.pem");
    properties.emplace_back(auth + "private_key", file + "key.pem");
    properties.emplace_back("dds.sec.crypto.plugin", "builtin.AES-GCM-GMAC");
    properties.emplace_back("dds.sec.access.plugin", "builtin.Access-Permissions");
    properties.emplace_back(access + "permissions_ca", file + "permissions_ca.cert.pem");
    properties.emplace_back(access + "governance", file + "governance.p7s");
    properties.emplace_back(access + "permissions", file + "permissions.p7s");
  }
  auto * participant =
    DomainParticipantFactory::get_instance()->create_participant(std::atoi(argv[3]), qos);
  if (!participant) {return refused("participant");}
  TypeSupport type(new StringType);
  type.register_type(participant);
  auto * topic = participant->create_topic(argv[2], type.get_type_name(), TOPIC_QOS_DEFAULT);
  if (!topic) {return refused("topic");}
  Ears ears;
  DataWriter * writer = nullptr;
  DataReader * reader = nullptr;
  if (says) {
    DataWriterQos quality;
    quality.reliability().kind = RELIABLE_RELIABILITY_QOS;
    writer = participant->create_publisher(PUBLISHER_QOS_DEFAULT)->create_datawriter(topic, quality);
  } else {
    DataReaderQos quality;
    quality.reliability().kind = RELIABLE_RELIABILITY_QOS;
    reader = participant->create_subscriber(SUBSCRIBER_QOS_DEFAULT)
      ->create_datareader(topic, quality, &ears);
  }
  if (!writer && !reader) {return refused(says ? "publisher" : "subscription");}
  std::cout << "ready" << std::endl;
  while (getppid() != 1) {
    if (writer) {writer->write(&text);}
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
  }
}
