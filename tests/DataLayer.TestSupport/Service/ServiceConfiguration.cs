using System.Globalization;
using System.Text;

namespace DataLayer.TestSupport.Service;

/// <summary>Writes <see cref="ServiceSettings"/> as the configuration file and environment of the service. Secrets go to the environment.</summary>
internal static class ServiceConfiguration
{
    internal static string Write(ServiceSettings settings)
    {
        Directory.CreateDirectory(settings.StateFolder);
        var text = new StringBuilder();
        void Line(FormattableString line) => text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');
        Line($"stateDirectory: {settings.StateFolder}");
        Line($"listen:");
        Line($"  address: 127.0.0.1:{settings.Port}");
        if (settings.UnixSocketPath is { } socket)
        {
            Line($"  unixSocket: {socket}");
        }

        if (settings.ProcessBytes is { } budget)
        {
            Line($"memory:");
            Line($"  budget: {budget}");
        }

        Line($"cache:");
        Line($"  capacity: {(settings.MemoryBytes is { } capacity ? capacity.ToString(CultureInfo.InvariantCulture) : "auto")}");
        Line($"  policy: {settings.MemoryPolicy}");
        if (settings.SpillFolder is { } spill)
        {
            Line($"  spillDirectory: {spill}");
            Line($"  spillCapacity: {settings.SpillBytes}");
        }

        Line($"pools:");
        Line($"  - name: default");
        Line($"    width: {settings.Width}");
        Line($"    unit: {settings.UnitBytes}");
        Line($"    copies: {settings.CopyCount}");
        Line($"    segmentLimit: {settings.SegmentLimitBytes}");
        Line($"    reserve: {settings.ReserveBytes}");
        Line($"    directories:");
        foreach (var target in settings.Targets)
        {
            Line($"      - {target}");
        }

        Line($"objectStores:");
        Line($"  - name: files");
        Line($"    kind: directory");
        foreach (var store in settings.Stores)
        {
            Line($"  - name: {store.Name}");
            Line($"    kind: s3");
            Line($"    endpoint: {store.Endpoint.ToString().TrimEnd('/')}");
            Line($"    accessKeyEnv: {AccessKeyVariable(store)}");
            Line($"    secretKeyEnv: {SecretKeyVariable(store)}");
        }

        text.Append(settings.More);
        var path = Path.Combine(settings.StateFolder, "datalayer.yaml");
        File.WriteAllText(path, text.ToString());
        return path;
    }

    internal static IReadOnlyDictionary<string, string> Environment(ServiceSettings settings)
    {
        var values = new Dictionary<string, string> { ["NO_COLOR"] = "1" };
        foreach (var store in settings.Stores)
        {
            values[AccessKeyVariable(store)] = store.AccessKey;
            values[SecretKeyVariable(store)] = store.SecretKey;
        }

        return values;
    }

    private static string AccessKeyVariable(StoreSettings store) => $"TEST_{store.Name.ToUpperInvariant()}_ACCESS_KEY";

    private static string SecretKeyVariable(StoreSettings store) => $"TEST_{store.Name.ToUpperInvariant()}_SECRET_KEY";
}
