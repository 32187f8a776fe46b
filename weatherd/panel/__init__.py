"""
The panel and the API: what the station observes and how it is, over HTTP; `openapi.yaml` describes it.

It only shows. What it shows it gets through one port, `view.View`, and it knows neither the daemon nor the journal. No
viewer makes an observation wait: whoever is slow, hostile or one too many is cut off (`connections`), and what streams
is written once for all (`stream`). `access` decides who is answered, `routes` what, `answers` how it looks on the wire.
aiohttp's server and all that belongs to it are imported with `server`, and only where the panel is on.
"""
