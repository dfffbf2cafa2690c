-- A certificate for localhost and 127.0.0.1 that signs itself, made for this run.
--
--   certificate.make(folder)     -- writes cert.pem and key.pem there

local shell = require("spec.support.shell")

local certificate = {}

function certificate.make(folder)
  shell.assert_runs(("cd %s && openssl req -x509 -newkey ec "
    .. "-pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost "
    .. "-addext subjectAltName=DNS:localhost,IP:127.0.0.1 -keyout key.pem -out cert.pem")
    :format(folder))
end

return certificate
