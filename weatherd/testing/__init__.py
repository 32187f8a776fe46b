"""What stands in for the world: emulated chips, recorded weather, a stand-in for Logstash. Ships for users."""
