import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.index.mapper.MapperExtrasPlugin;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.transport.Netty4Plugin;

/**
 * One Elasticsearch node for tests: HTTP on a free port of loopback, which it prints when it answers there.
 *
 * <p>Its only argument is the folder for its data. It ends when its standard input does, so that no test, however it
 * ends, leaves it behind.
 */
public final class EmbeddedElasticsearch extends Node {
    private EmbeddedElasticsearch(Settings settings, Path home) {
        super(
            InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), home, () -> "test"),
            List.of(Netty4Plugin.class, MapperExtrasPlugin.class),
            true
        );
    }

    public static void main(String[] arguments) throws Exception {
        Path home = Path.of(arguments[0]);
        Settings settings = Settings.builder()
            .put("path.home", home)
            .put("network.host", "127.0.0.1")
            .put("http.port", 0)
            .put("transport.port", 0)
            .put("discovery.type", "single-node")
            .put("node.processors", 2)
            // No test depends on how full the disk of the machine is.
            .put("cluster.routing.allocation.disk.threshold_enabled", false)
            .build();
        try (Node node = new EmbeddedElasticsearch(settings, home)) {
            node.start();
            HttpServerTransport http = node.injector().getInstance(HttpServerTransport.class);
            System.out.println(http.boundAddress().publishAddress().getPort());
            while (System.in.read() != -1) { }
        }
        System.exit(0);
    }
}
