"""The configuration of a station in a booted Debian: emulated chips, one chip that is not there, and the far end."""

from tests.installed.booted import Machine
from tests.installed.far_end import PASSWORD, USERNAME, FarEnd

CONFIG = "/etc/weatherd/weatherd.toml"
SECRET = "/etc/weatherd/credentials/logstash-password"


def configure(machine: Machine, far_end: FarEnd) -> None:
    """Write configuration and password where an administrator would."""
    machine.file(CONFIG).write_text(
        f"""
[station]
id = "booted"

[i2c]
bus = "simulated"

[[sensors]]
name = "barometer"
driver = "bmp280"
sample_period_s = 0.1
report_period_s = 1.0

[[sensors]]
name = "nowhere"
driver = "bmp280"
address = 0x76

[sinks.logstash]
urls = ["{far_end.url}"]
linger_s = 0.1
delay_s_max = 1.0
username = "{USERNAME}"
password_file = "logstash-password"

[clock]
hold_max_s = 0
"""
    )
    machine.file(SECRET).write_text(PASSWORD)
    machine.file(SECRET).chmod(0o600)
