"""
What is observed, at an MQTT broker: live values for whoever subscribes, and a whole station in Home Assistant.

    <topic>/<sensor>/<quantity>              the value alone, as text; `None` where there is none to go by
    <topic>/<sensor>/<quantity>/attributes   the same with unit, quality, reason, time and extremes, as JSON
    <topic>/<sensor>/availability            online or offline, retained
    <topic>/availability                     online or offline, retained; offline is also our last will
    <topic>/event                            what is not weather, as JSON
    <topic>/status                           lag, clock, version and run, as JSON
    <topic>/<sensor>/key                     a key of a remote, and each repeat of it, as JSON
    <topic>/<sensor>/timings                 pulses and spaces of a remote, as JSON; only if asked for
    <topic>/infrared                         what Home Assistant lets us send; only if asked for
    <topic>/command, <topic>/response        only if asked for
    <topic>/backlog                          whole documents that an outage held up; only if asked for

All of it with QoS 1. Only availability and discovery are retained: a value that is retained would look new for ever.

By default this sink takes no backlog: it lives on what is fresh, holds no position in the journal, and an outage of the
broker neither fills the journal nor costs the card a write. With ``backlog = true`` it is one of the journal's sinks as
well: documents that were not sent while fresh follow on a topic of their own, where nobody takes them for new.

`topics`, `messages`, `home_assistant`, `commands`, `packets` and `frames` are pure; `emitting` sends by infrared what
Home Assistant asks for; only `connection` and `client` know aiomqtt.
"""
