<?php
// Renders a snippet (on stdin) as the shop system named by the argument would, on the page of one product.
// The engines are the real ones; what the system itself would provide is stood in for.
error_reporting(E_ALL);
set_error_handler(fn($level, $message) => throw new ErrorException($message));

const SKU = 'sku "1" & <2>';
const SCRIPT = '/recsys-carousel.js';

$snippet = stream_get_contents(STDIN);

$systems = [
    'shopware' => function (string $snippet): string {
        require '/usr/share/php/Twig/autoload.php';
        // Shopware's own tag, which finds the template that the theme inherits from.
        $templates = new Twig\Loader\ArrayLoader([
            'page' => str_replace('sw_extends', 'extends', $snippet),
            '@Storefront/storefront/page/product-detail/index.html.twig' =>
                '<main>{% block page_product_detail_cross_selling %}<p>Cross-selling</p>{% endblock %}</main>',
        ]);
        $twig = new Twig\Environment($templates, ['strict_variables' => true]);
        $twig->addFunction(new Twig\TwigFunction('asset', fn($path) => '/' . basename($path)));
        return $twig->render('page', [
            'page' => ['product' => ['productNumber' => SKU]],
            'context' => ['currency' => ['isoCode' => 'EUR']],
        ]);
    },

    'woocommerce' => function (string $snippet): string {
        eval('
            function add_action($hook, $callback, $priority) { $GLOBALS["actions"][$hook] = $callback; }
            function get_stylesheet_directory_uri() { return ""; }
            function esc_attr($text) { return htmlspecialchars($text, ENT_QUOTES); }
            function get_woocommerce_currency() { return "EUR"; }
            function wp_enqueue_script($handle, $src) { echo "<script src=\"$src\" defer></script>"; }
        ');
        $GLOBALS['product'] = new class {
            public function get_sku(): string { return SKU; }
        };
        ob_start();
        eval($snippet);
        $GLOBALS['actions']['woocommerce_after_single_product_summary']();
        return '<main>' . ob_get_clean() . '</main>';
    },

    'prestashop' => function (string $snippet): string {
        require '/usr/share/php/smarty4/Smarty.class.php';
        $folder = sys_get_temp_dir() . '/' . uniqid('smarty');
        mkdir("$folder/catalog", 0700, true);
        file_put_contents("$folder/catalog/product.tpl", "<main>{block name='product_footer'}<p>Footer</p>{/block}</main>");
        file_put_contents("$folder/page.tpl", str_replace('parent:', '', $snippet));
        $smarty = new Smarty();
        $smarty->escape_html = true; // as PrestaShop sets it
        $smarty->setTemplateDir($folder)->setCompileDir("$folder/compiled");
        $smarty->assign([
            'urls' => ['theme_assets' => '/'],
            'product' => ['reference' => SKU],
            'currency' => ['iso_code' => 'EUR'],
        ]);
        return str_replace('/js/', '/', $smarty->fetch('page.tpl'));
    },

    'magento' => function (string $snippet): string {
        $escaper = new class {
            public function escapeUrl($url) { return htmlspecialchars($url, ENT_QUOTES); }
            public function escapeHtmlAttr($text) { return htmlspecialchars($text, ENT_QUOTES); }
        };
        $block = new class {
            public function getViewFileUrl($file) { return '/' . basename($file); }
            public function getProduct() { return $this; }
            public function getSku() { return SKU; }
            public function getStore() { return $this; }
            public function getCurrentCurrencyCode() { return 'EUR'; }
        };
        ob_start();
        eval('?>' . $snippet);
        return '<main>' . ob_get_clean() . '</main>';
    },

    'token' => function (string $snippet): string {
        eval($snippet);
        return recsys_token('user-1', 'a key of the shop and the service');
    },
];

echo $systems[$argv[1]]($snippet);
